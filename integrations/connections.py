"""What a connection may say; it never reads or writes one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2

from audit.redaction import is_secret_key
from integrations import credentials
from integrations.breaker import BreakerPolicy
from integrations.errors import WrongConnection
from integrations.rate import Rate

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LONGEST_WAIT_S = 3600.0
_MOST_CALLS = 1_000_000
_SHORTEST_WINDOW_S, _LONGEST_WINDOW_S = 0.01, 86_400.0
_LARGEST_RESPONSE_BYTES = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSpec:
    """How an outside system is to be reached, as a person writes it; its secret only as a reference.

    The secret is sent in `auth_header`, after `auth_scheme` and a blank when there is one. `headers` are sent
    with every request and hold no secrets.
    """

    name: str
    base_url: str
    allow_private: bool = False
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
        "base_url": _problem_of_url(spec.base_url),
        "auth_header": None if _HEADER.fullmatch(spec.auth_header) else "must be the name of a header",
        "auth_scheme": None if spec.auth_scheme.isalnum() or not spec.auth_scheme else "must be one word",
        "secret_reference": credentials.problem_of(spec.secret_reference) if spec.secret_reference else None,
        "headers": _problem_of_headers(spec.headers),
        "connect_timeout_s": _problem_of_wait(spec.connect_timeout_s),
        "read_timeout_s": _problem_of_wait(spec.read_timeout_s),
        "max_response_bytes": _problem_of_size(spec.max_response_bytes),
        **_problems_of_gate(spec),
    }
    problems = {name: problem for name, problem in candidates.items() if problem is not None}
    if problems:
        raise WrongConnection(problems)


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
    if url.userinfo:
        return "must not hold a user or password: use secret_reference"
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
