"""What a connection may say; it never reads or writes one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2

from audit.redaction import is_secret_key
from integrations import credentials
from integrations.errors import WrongConnection

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LONGEST_WAIT_S = 3600.0
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
    }
    problems = {name: problem for name, problem in candidates.items() if problem is not None}
    if problems:
        raise WrongConnection(problems)


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
