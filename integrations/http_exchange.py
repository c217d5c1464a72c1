"""What every way of sending an HTTP request shares: limits, the request, reading the answer, what a failure means.

It never opens a connection; `integrations.http` and `integrations.http_async` do, and differ only in that.
"""

import functools
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

from integrations import guard
from integrations.client_tls import ClientTls
from integrations.contract import ConnectionSettings
from integrations.egress import Egress
from integrations.errors import CallFailed, Refused, Unavailable, Unknown

USER_AGENT = "automation-engine"
KEEPALIVE_S = 15.0
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS

_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_NO_ADDRESS = (httpx2.InvalidURL, httpx2.UnsupportedProtocol)
_NO_HEADER = (httpx2.LocalProtocolError, UnicodeEncodeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a call may use. `timeout_s` is for all of it, the others for each wait inside it."""

    timeout_s: float
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    max_response_bytes: int = 1_000_000
    allow_private: bool = False
    allowed_hosts: tuple[str, ...] = ()
    tls: ClientTls | None = None

    @property
    def route(self) -> "Route":
        """This will say which sockets the call may use."""
        return Route(Egress(allow_private=self.allow_private, allowed_hosts=self.allowed_hosts), self.tls)

    @classmethod
    def of(cls, connection: ConnectionSettings, *, timeout_s: float) -> "Limits":
        """This will be what a call through a connection may use."""
        return cls(
            timeout_s=timeout_s,
            connect_timeout_s=connection.connect_timeout_s,
            read_timeout_s=connection.read_timeout_s,
            max_response_bytes=connection.max_response_bytes,
            allow_private=connection.allow_private,
            allowed_hosts=connection.allowed_hosts,
            tls=ClientTls.of(connection),
        )


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call may lead, and as whom: those of equal routes may share sockets, others never."""

    egress: Egress
    tls: ClientTls | None = None

    def ssl_context(self) -> ssl.SSLContext:
        """This will give the TLS context of its sockets. Raises Refused when what the connection says makes none."""
        return ssl_context() if self.tls is None else self.tls.context()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer that arrived completely; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request that is to be sent once, whoever sends it."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None
    limits: Limits

    @property
    def target(self) -> str:
        """This will name it for a person; a query may hold what nobody should read."""
        return f"{self.method} {self.url.partition('?')[0]}"

    def request(self) -> httpx2.Request:
        """This will write it as the transports of httpx2 take it. May raise InvalidURL."""
        limits = self.limits
        timeouts = {
            "connect": limits.connect_timeout_s,
            "read": limits.read_timeout_s,
            "write": limits.read_timeout_s,
            "pool": limits.timeout_s,
        }
        return httpx2.Request(
            self.method,
            self.url,
            headers={"user-agent": USER_AGENT, "accept-encoding": "gzip", **self.headers},
            content=self.content,
            extensions={"timeout": timeouts},
        )


@contextmanager
def judged(outgoing: Outgoing) -> Iterator[None]:
    """This will keep the deadline of a call inside the block, and say what a failure of it means.

    Raises Unavailable when the request did not leave this process, Refused when it never can or when the
    answer is larger than allowed, and Unknown when it left and no complete answer came in time.
    """
    target, limits = outgoing.target, outgoing.limits
    until = time.monotonic() + limits.timeout_s
    try:
        with guard.deadline(until):
            yield
    except _NO_ADDRESS as error:
        raise Refused(f"{target} cannot be sent: {error}") from error
    except _NO_HEADER:
        # The error would repeat the header, which may be the secret.
        raise Refused(f"{target} cannot be sent: a header holds what HTTP does not allow") from None
    except _NOT_SENT as error:
        raise Unavailable(f"{target} was not sent: {error}", evidence=_evidence(error)) from error
    except (httpx2.TransportError, ssl.SSLError, zlib.error) as error:  # a peer may end TLS after the handshake
        late = f" within {limits.timeout_s:g} s" if time.monotonic() >= until else ""
        raise Unknown(
            f"{target} was sent and no complete answer came{late}: {str(error) or type(error).__name__}",
            evidence=_evidence(error),
        ) from error


class Reading:
    """An answer on its way in: takes its body chunk by chunk and never holds more than is allowed."""

    def __init__(self, response: httpx2.Response, *, limit: int) -> None:
        self._status = response.status_code
        self._headers = {name.lower(): value for name, value in response.headers.items()}
        self._limit = limit
        self._body = bytearray()
        declared = self._headers.get("content-length", "")
        if declared.isascii() and declared.isdecimal() and int(declared) > limit:
            raise self._too_large()
        self._inflater = self._make_inflater()
        self._has_begun = False

    def take(self, chunk: bytes) -> None:
        """This will add a part of the body. Raises Refused when it becomes too large, zlib.error when it is broken.

        A compressed part yields at most a byte more than the limit, however small it was.
        """
        self._has_begun = self._has_begun or bool(chunk)
        self._body += chunk if self._inflater is None else self._inflater.decompress(chunk, self._limit + 1)
        if len(self._body) > self._limit:
            raise self._too_large()

    def end(self) -> Response:
        """This will give the complete answer. Raises zlib.error when its compressed body is not complete."""
        inflater = self._inflater
        if inflater is not None and self._has_begun and (not inflater.eof or inflater.unused_data):
            raise zlib.error("the compressed answer does not end where it says")
        return Response(status=self._status, headers=self._headers, body=bytes(self._body))

    def _make_inflater(self) -> "zlib._Decompress | None":
        encoding = self._headers.get("content-encoding", "identity").strip().lower()
        if encoding == "identity":
            return None
        if encoding in ("gzip", "x-gzip", "deflate"):
            return zlib.decompressobj(_GZIP_OR_ZLIB)
        raise Refused(
            f"the call happened (status {self._status}), but its answer has the encoding {encoding!r}, not gzip",
            evidence={"happened": True, "status": self._status, "content_encoding": encoding},
        )

    def _too_large(self) -> CallFailed:
        return Refused(
            f"the call happened (status {self._status}), but its answer is larger than the {self._limit} bytes allowed",
            evidence={"happened": True, "status": self._status, "max_response_bytes": self._limit},
        )


@functools.cache
def ssl_context() -> ssl.SSLContext:
    """This will be the one TLS context of the process: loading the certificates takes 18 ms."""
    return httpx2.create_ssl_context()


def _evidence(error: Exception) -> Mapping[str, object]:
    return {"error": type(error).__name__, "detail": str(error)}
