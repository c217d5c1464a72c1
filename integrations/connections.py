"""What a connection may say; it never reads or writes one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

import httpx2

from audit.redaction import is_secret_key
from integrations import credentials, egress, kinds
from integrations.breaker import BreakerPolicy
from integrations.errors import WrongConnection
from integrations.rate import Rate

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LONGEST_WAIT_S = 3600.0
_MOST_CALLS = 1_000_000
_SHORTEST_WINDOW_S, _LONGEST_WINDOW_S = 0.01, 86_400.0
_LARGEST_RESPONSE_BYTES = 100_000_000
_LONGEST_OWNER = 200
_HTTP = ("http://", "https://")


class Environment(StrEnum):
    """What a connection leads to: what counts, or what may be broken."""

    LIVE = "live"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSpec:
    """How an outside system is to be reached, as a person writes it; its secrets only as references.

    `kind` says which adapters use it, and what `options` and `secrets` (name to reference) may hold. The secret of
    `secret_reference` is sent in `auth_header`, after `auth_scheme` and a blank when there is one. `headers` are
    sent with every request and hold no secrets. `allowed_hosts`, where it is not empty, is all there is to reach.
    """

    name: str
    kind: str = kinds.STANDARD
    base_url: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    environment: str = Environment.LIVE.value
    owner: str = ""
    allow_private: bool = False
    allowed_hosts: Sequence[str] = ()
    auth_header: str = "Authorization"
    auth_scheme: str = "Bearer"
    secret_reference: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    max_response_bytes: int = 1_000_000
    rate_limit: int = 0
    rate_period_s: float = 1.0
    rate_burst: int = 1
    breaker_error_rate: float = 0.0
    breaker_slow_rate: float = 0.0
    breaker_slow_s: float = 10.0
    breaker_window_s: float = 30.0
    breaker_min_calls: int = 20
    breaker_open_s: float = 30.0
    breaker_probes: int = 3

    @property
    def references(self) -> Sequence[str]:
        """This will say where all its secrets are."""
        return [*filter(None, [self.secret_reference]), *self.secrets.values()]

    @property
    def rate(self) -> Rate | None:
        """This will give its rate limit, if it has one."""
        if self.rate_limit == 0:
            return None
        return Rate(limit=self.rate_limit, period_s=self.rate_period_s, burst=self.rate_burst)

    @property
    def breaker(self) -> BreakerPolicy | None:
        """This will give its circuit breaker, if anything opens it."""
        if self.breaker_error_rate == 0 and self.breaker_slow_rate == 0:
            return None
        return BreakerPolicy(
            window_s=self.breaker_window_s,
            min_calls=self.breaker_min_calls,
            error_rate=self.breaker_error_rate,
            slow_s=self.breaker_slow_s,
            slow_rate=self.breaker_slow_rate,
            open_s=self.breaker_open_s,
            probes=self.breaker_probes,
        )


def check(spec: ConnectionSpec) -> None:
    """This will raise WrongConnection, with what would be right for each field, unless all are right."""
    candidates = {
        "name": None if _NAME.fullmatch(spec.name) else "must be lower-case letters, digits, - and _",
        "environment": None if spec.environment in list(Environment) else "must be live or test",
        "owner": None if len(spec.owner) <= _LONGEST_OWNER else f"must be at most {_LONGEST_OWNER} characters",
        "auth_header": None if _HEADER.fullmatch(spec.auth_header) else "must be the name of a header",
        "auth_scheme": None if spec.auth_scheme.isalnum() or not spec.auth_scheme else "must be one word",
        "headers": _problem_of_headers(spec.headers),
        "connect_timeout_s": _problem_of_wait(spec.connect_timeout_s),
        "read_timeout_s": _problem_of_wait(spec.read_timeout_s),
        "max_response_bytes": _problem_of_size(spec.max_response_bytes),
        **_problems_of_hosts(spec.allowed_hosts),
        **_problems_of_kind(spec),
        **_problems_of_gate(spec),
    }
    problems = {name: problem for name, problem in candidates.items() if problem is not None}
    if problems:
        raise WrongConnection(problems)


def _problems_of_kind(spec: ConnectionSpec) -> Mapping[str, str | None]:
    """What is wrong with all that its kind decides on."""
    kind = kinds.kinds().get(spec.kind)
    if kind is None:
        return {"kind": f"there is no kind {spec.kind!r}: known are {', '.join(sorted(kinds.kinds()))}"}
    of_url = _problem_of_url(spec.base_url) if kind.speaks_http else _problem_of_address(spec.base_url)
    found: dict[str, str | None] = {
        "base_url": of_url or _problem_of_reach(spec),
        "secret_reference": _problem_of_header_secret(spec, kind=kind) if spec.secret_reference else None,
    }
    for path, problem in kinds.problems_of(kind, options=spec.options, secrets=spec.secrets):
        found[path] = f"{found[path]}; {problem}" if path in found else problem
    return found


def _problem_of_header_secret(spec: ConnectionSpec, *, kind: kinds.Kind) -> str | None:
    if not (kind.speaks_http or spec.base_url.startswith(_HTTP)):
        return f"is for a header of HTTP: connections of the kind {kind.name} have `secrets`"
    if "oauth2" in spec.options:
        return "must be empty: the token of oauth2 goes into that header"
    return credentials.problem_of(spec.secret_reference)


def _problems_of_hosts(hosts: object) -> Mapping[str, str]:
    if isinstance(hosts, str) or not isinstance(hosts, Sequence):
        return {"allowed_hosts": 'must be a list such as ["api.example.com", "*.example.com"]'}
    return dict(_wrong_hosts(hosts))


def _wrong_hosts(hosts: Sequence[object]) -> Iterator[tuple[str, str]]:
    for index, host in enumerate(hosts):
        if problem := egress.problem_of(host):
            yield f"allowed_hosts[{index}]", problem


def _problem_of_reach(spec: ConnectionSpec) -> str | None:
    """A connection whose own address is not allowed would only say so at its first call."""
    host = urlsplit(spec.base_url).hostname
    if host is None or _problems_of_hosts(spec.allowed_hosts):  # a folder, not a host
        return None
    reach = egress.Egress(allowed_hosts=tuple(spec.allowed_hosts))
    return None if reach.may_allow(host) else f"{host} is not among allowed_hosts: add it there"


def _problems_of_gate(spec: ConnectionSpec) -> Mapping[str, str | None]:
    """What is wrong with the rate limit and the breaker."""
    rates = ("breaker_error_rate", "breaker_slow_rate")
    counts = ("rate_burst", "breaker_min_calls", "breaker_probes")
    waits = ("rate_period_s", "breaker_slow_s", "breaker_window_s", "breaker_open_s")
    values = {name: getattr(spec, name) for name in (*rates, *counts, *waits)}
    return {
        "rate_limit": None if 0 <= spec.rate_limit <= _MOST_CALLS else f"must be 0 to {_MOST_CALLS}",
        **{name: None if 0 <= values[name] <= 1 else "must be a share, 0 to 1" for name in rates},
        **{name: None if 1 <= values[name] <= _MOST_CALLS else f"must be 1 to {_MOST_CALLS}" for name in counts},
        **{name: _problem_of_length(values[name]) for name in waits},
    }


def _problem_of_length(seconds: float) -> str | None:
    is_right = _SHORTEST_WINDOW_S <= seconds <= _LONGEST_WINDOW_S
    return None if is_right else f"must be {_SHORTEST_WINDOW_S:g} to {_LONGEST_WINDOW_S:g} seconds"


def _problem_of_url(text: str) -> str | None:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        return f"is not a URL: {error}"
    if url.scheme not in ("http", "https") or not url.host:
        return "must begin with https:// (or http://) and a host"
    return _problem_of_parts(url)


def _problem_of_address(text: str) -> str | None:
    """A kind that does not speak HTTP may have an address with a scheme of its own, or all it needs in its options."""
    if not text:
        return None
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        return f"is not a URL: {error}"
    if not url.scheme or not (url.host or url.path.startswith("/")):
        return "must be empty, or begin with a scheme and a host, such as ssh://files.example.com"
    return _problem_of_parts(url)


def _problem_of_parts(url: httpx2.URL) -> str | None:
    if url.userinfo:
        return "must not hold a user or password: refer to it as a secret"
    if url.query or url.fragment:
        return "must end with the path: no ? and no #"
    return None


def _problem_of_headers(headers: object) -> str | None:
    if not isinstance(headers, Mapping):
        return 'must be an object such as {"X-Tenant": "7"}'
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER.fullmatch(name):
            return f"{name!r} is not the name of a header"
        if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
            return f"the value of {name} must be printable ASCII"
        if is_secret_key(name):
            return f"{name} looks like a secret: use auth_header and secret_reference"
    return None


def _problem_of_wait(seconds: float) -> str | None:
    return None if 0 < seconds <= _LONGEST_WAIT_S else f"must be more than 0 and at most {_LONGEST_WAIT_S:g} s"


def _problem_of_size(size_bytes: int) -> str | None:
    is_right = 0 < size_bytes <= _LARGEST_RESPONSE_BYTES
    return None if is_right else f"must be more than 0 and at most {_LARGEST_RESPONSE_BYTES} bytes"
