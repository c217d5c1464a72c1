"""Where a connection leads when it is no HTTP connection: its address is checked, and only then reached.

A name is resolved once by `integrations.guard`, and the socket goes to an address that was checked.
"""

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from integrations import guard
from integrations.addresses import Address
from integrations.contract import ConnectionSettings
from integrations.errors import Refused, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A host and a port, as the base URL of a connection says; `path` is what stands behind them."""

    scheme: str
    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Deadline:
    """The instant of `time.monotonic` at which a call must be over."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """This will be the instant so many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def left_s(self) -> float:
        """This will give the seconds that are left, never less than none."""
        return max(self.at - time.monotonic(), 0.0)

    @property
    def has_passed(self) -> bool:
        """This will tell whether nothing is left."""
        return self.left_s <= 0


def required(connection: ConnectionSettings | None, *, uses: str) -> ConnectionSettings:
    """This will give the connection of a step. Raises Refused when it has none."""
    if connection is None:
        raise Refused(f"{uses} needs a connection: name one in the step's `connection`")
    return connection


def endpoint(connection: ConnectionSettings, *, schemes: Mapping[str, int]) -> Endpoint:
    """This will read the base URL of a connection; `schemes` are those allowed, with their standard ports.

    Raises Refused when it says something else.
    """
    parts = _split(connection)
    if parts.scheme not in schemes or not parts.hostname:
        known = " or ".join(f"{scheme}://" for scheme in schemes)
        raise Refused(f"the base URL of connection {connection.name} must begin with {known} and a host")
    if parts.username or parts.password:
        raise Refused(f"the base URL of connection {connection.name} must not hold a user or password")
    return Endpoint(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or schemes[parts.scheme],
        path=parts.path,
    )


def addresses(target: Endpoint, *, connection: ConnectionSettings, timeout_s: float) -> Sequence[Address]:
    """This will find the addresses of an endpoint, all of them allowed.

    Raises Refused when one is not, Unavailable when there are none or the resolver is late.
    """
    found = guard.reachable(host=target.host, port=target.port, egress=connection.egress, timeout_s=timeout_s)
    return [ip_address(address) for address in found]


def connect(target: Endpoint, *, connection: ConnectionSettings, timeout_s: float) -> socket.socket:
    """This will open a socket to the first address of an endpoint that answers. It has no timeout of its own.

    Raises Refused for an address that is not allowed, Unavailable when none answers in time.
    """
    deadline = Deadline.after(min(timeout_s, connection.connect_timeout_s))
    failure: OSError = TimeoutError("no address answered in time")
    for address in addresses(target, connection=connection, timeout_s=deadline.left_s):
        if deadline.has_passed:
            break
        try:
            opened = socket.create_connection((str(address), target.port), timeout=deadline.left_s)
        except OSError as error:
            failure = error
        else:
            opened.settimeout(None)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return opened
    raise Unavailable(f"{target} cannot be reached: {failure}", evidence={"error": type(failure).__name__}) from failure


def _split(connection: ConnectionSettings) -> SplitResult:
    try:
        parts = urlsplit(connection.base_url)
        _ = parts.port  # raises ValueError when it is none
    except ValueError as error:
        raise Refused(f"the base URL of connection {connection.name} is no URL: {error}") from error
    return parts
