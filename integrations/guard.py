"""The gate every outbound connection passes: it connects to checked addresses and never to a name.

A name is resolved once, all its addresses are checked, and the socket goes to one of exactly those: a name
that changes its address between the check and the connection gains nothing. Host header and TLS server name
stay those of the URL. Every socket also keeps the deadline of the call it serves.
"""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Any, TypeAlias

import httpcore2

from integrations.addresses import Address, Reach, reach_of
from integrations.egress import Egress
from integrations.errors import Refused, Unavailable

Answer: TypeAlias = Sequence[str] | OSError
_NO_DEADLINE_S = 30.0

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline(at: float) -> Iterator[None]:
    """This will end every socket operation inside the block at the instant `at` of `time.monotonic`."""
    token = _deadline.set(at)
    try:
        yield
    finally:
        _deadline.reset(token)


class GuardedBackend(httpcore2.NetworkBackend):
    """Opens sockets for `httpcore2`, to allowed addresses only."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """This will connect to the first address of a host that answers.

        Raises Refused when any address of the host is not allowed, ConnectError or ConnectTimeout when none
        can be found or answers in time.
        """
        until = time.monotonic() + remaining(timeout, failure=httpcore2.ConnectTimeout)
        addresses = allowed(host=host, port=port, egress=self._egress, timeout_s=until - time.monotonic())
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses:
            left = until - time.monotonic()
            if left <= 0:
                raise httpcore2.ConnectTimeout(f"{host} did not answer in time") from failure
            try:
                stream = self._sockets.connect_tcp(str(address), port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return DeadlineStream(stream)
        raise failure


class DeadlineStream(httpcore2.NetworkStream):
    """A connected socket whose operations end at the deadline of the current call."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """This will read what is there, waiting no longer than the call may."""
        return self._stream.read(max_bytes, remaining(timeout, failure=httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """This will write all of a buffer, each part waiting no longer than the call may."""
        self._stream.write(buffer, remaining(timeout, failure=httpcore2.WriteTimeout))

    def close(self) -> None:
        """This will close the socket."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """This will begin TLS under the name of the URL, not the address."""
        left = remaining(timeout, failure=httpcore2.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:  # Any: the signature of httpcore2
        """This will pass on what the socket knows about itself."""
        return self._stream.get_extra_info(info)


def reachable(*, host: str, port: int, egress: Egress, timeout_s: float) -> Sequence[str]:
    """This will give the addresses an adapter with sockets of its own may connect to, the best first.

    The adapter must connect to one of exactly these and never to the name, which may have another address by then; it
    checks certificates against the name. Raises Refused when it may not be reached, Unavailable when it is not found.
    """
    try:
        return [str(address) for address in allowed(host=host, port=port, egress=egress, timeout_s=timeout_s)]
    except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
        raise Unavailable(f"{host} was not reached: {error}", evidence={"host": host}) from error


def allowed(*, host: str, port: int, egress: Egress, timeout_s: float) -> Sequence[Address]:
    """This will resolve a host once and check its name and every address. Raises as `admit`, `resolve` and `check`."""
    admit(host, egress=egress)
    addresses = resolve(host=host, port=port, timeout_s=timeout_s)
    check(host=host, addresses=addresses, egress=egress)
    return addresses


def resolve(*, host: str, port: int, timeout_s: float) -> Sequence[Address]:
    """This will find the addresses of a host in the order the system prefers them.

    Raises ConnectError when there is no such host, ConnectTimeout when the resolver is late.
    """
    literal = literal_address(host)
    if literal is not None:
        return [literal]
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    look_up(host=host, port=port, tell=answers.put)
    try:
        answer = answers.get(timeout=max(timeout_s, 0))
    except queue.Empty as error:
        raise late(host) from error
    return addresses_of(host, answer=answer)


def literal_address(host: str) -> Address | None:
    """This will give the address a host is written as; None: it is a name, to be resolved."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def look_up(*, host: str, port: int, tell: Callable[[Answer], None]) -> None:
    """This will ask the system's resolver, and tell its answer in another thread.

    The resolver cannot be interrupted, so it works in a thread of its own that is left behind when it is late.
    """

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            tell(error if isinstance(error, OSError) else OSError(0, "not a host name"))
        else:
            tell([str(address[0]) for *_, address in found])

    threading.Thread(target=ask, name="resolver", daemon=True).start()


def addresses_of(host: str, *, answer: Answer) -> Sequence[Address]:
    """This will read the resolver's answer. Raises ConnectError when there is no such host."""
    if isinstance(answer, OSError):
        raise httpcore2.ConnectError(f"{host} has no address: {answer.strerror}") from answer
    return [ip_address(text) for text in answer]


def late(host: str) -> httpcore2.ConnectTimeout:
    """This will be the failure of a resolver that did not answer in time."""
    return httpcore2.ConnectTimeout(f"the address of {host} was not found in time")


def admit(host: str, *, egress: Egress) -> None:
    """This will raise Refused for a name that no allowed host fits, before anybody is asked for its address."""
    if not egress.may_allow(host):
        raise _not_among(host, egress=egress)


def check(*, host: str, addresses: Sequence[Address], egress: Egress) -> None:
    """This will raise Refused unless the host and every address of it may be reached."""
    if not egress.allows(host, addresses=addresses):
        raise _not_among(host, egress=egress)
    for address in addresses:
        reach = reach_of(address)
        if reach is Reach.PUBLIC or (reach is Reach.PRIVATE and egress.allow_private):
            continue
        remedy = (
            "no connection may reach it"
            if reach is Reach.FORBIDDEN
            else "use a connection that allows private addresses, if that is meant"
        )
        raise Refused(
            f"{host} is at {address}, which is not a public address: {remedy}",
            evidence={"host": host, "address": str(address), "reach": reach.name.lower()},
        )


def _not_among(host: str, *, egress: Egress) -> Refused:
    return Refused(
        f"{host} is not among the allowed hosts of the connection: {', '.join(egress.allowed_hosts)}",
        evidence={"host": host, "allowed_hosts": list(egress.allowed_hosts)},
    )


def remaining(timeout: float | None, *, failure: type[Exception]) -> float:
    """This will give the seconds an operation may take: what it asks for, cut at the deadline of the call.

    Raises `failure` when the deadline has passed.
    """
    at = _deadline.get()
    if at is None:
        return _NO_DEADLINE_S if timeout is None else timeout
    left = at - time.monotonic()
    if left <= 0:
        raise failure("the time of the call is over")
    return left if timeout is None else min(left, timeout)
