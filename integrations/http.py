"""The one outbound HTTP client of a process; it never follows a redirect, keeps a cookie or uses a proxy.

It is made at the first call, so after the fork of a worker, and keeps connections alive between calls.
Connections that may reach private addresses have a pool of their own, so that a call that may not can never
ride on one of theirs. The transport is used without `httpx2.Client`, which would share cookies between runs.
"""

import functools
import os
import ssl
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpcore2
import httpx2

from integrations import guard
from integrations.errors import CallFailed, Refused, Unavailable, Unknown

USER_AGENT = "automation-engine"
_MAX_CONNECTIONS = 100
_KEEPALIVE_S = 15.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer that arrived completely; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(*, method: str, url: str, headers: Mapping[str, str], content: bytes | None, limits: Limits) -> Response:
    """This will send one request and return the complete answer, whatever its status.

    Raises Unavailable when the request did not leave this process, Refused when it never can or when the
    answer is larger than allowed, and Unknown when it left and no complete answer came in time.
    """
    until = time.monotonic() + limits.timeout_s
    timeouts = {
        "connect": limits.connect_timeout_s,
        "read": limits.read_timeout_s,
        "write": limits.read_timeout_s,
        "pool": limits.timeout_s,
    }
    target = f"{method} {url.partition('?')[0]}"  # a query may hold what nobody should read
    try:
        request = httpx2.Request(
            method,
            url,
            headers={"user-agent": USER_AGENT, "accept-encoding": "gzip", **headers},
            content=content,
            extensions={"timeout": timeouts},
        )
        with guard.deadline(until):
            return _exchange(request, limits=limits)
    except _NO_ADDRESS as error:
        raise Refused(f"{target} cannot be sent: {error}") from error
    except _NO_HEADER:
        # The error would repeat the header, which may be the secret.
        raise Refused(f"{target} cannot be sent: a header holds what HTTP does not allow") from None
    except _NOT_SENT as error:
        raise Unavailable(f"{target} was not sent: {error}", evidence=_evidence(error)) from error
    except (httpx2.TransportError, zlib.error) as error:
        late = f" within {limits.timeout_s:g} s" if time.monotonic() >= until else ""
        raise Unknown(
            f"{target} was sent and no complete answer came{late}: {str(error) or type(error).__name__}",
            evidence=_evidence(error),
        ) from error


def _exchange(request: httpx2.Request, *, limits: Limits) -> Response:
    response = _transport(allow_private=limits.allow_private).handle_request(request)
    try:
        headers = {name.lower(): value for name, value in response.headers.items()}
        body = _read(response, headers=headers, limit=limits.max_response_bytes)
    finally:
        response.close()
    return Response(status=response.status_code, headers=headers, body=body)


def _read(response: httpx2.Response, *, headers: Mapping[str, str], limit: int) -> bytes:
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdecimal() and int(declared) > limit:
        raise _too_large(status=response.status_code, limit=limit)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    chunks: Iterable[bytes]
    if encoding == "identity":
        chunks = response.iter_raw()
    elif encoding in ("gzip", "x-gzip", "deflate"):
        chunks = _inflated(response.iter_raw(), limit=limit)
    else:
        raise _unreadable(status=response.status_code, encoding=encoding)
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise _too_large(status=response.status_code, limit=limit)
    return bytes(body)


def _inflated(chunks: Iterable[bytes], *, limit: int) -> Iterable[bytes]:
    """This will decompress; one chunk yields at most a byte more than the limit, however small it was."""
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    received = 0
    for chunk in chunks:
        received += len(chunk)
        yield inflater.decompress(chunk, limit + 1)
    if received and (not inflater.eof or inflater.unused_data):
        raise zlib.error("the compressed answer does not end where it says")


def _too_large(*, status: int, limit: int) -> CallFailed:
    return Refused(
        f"the call happened (status {status}), but its answer is larger than the {limit} bytes allowed",
        evidence={"happened": True, "status": status, "max_response_bytes": limit},
    )


def _unreadable(*, status: int, encoding: str) -> CallFailed:
    return Refused(
        f"the call happened (status {status}), but its answer has the encoding {encoding!r}, not gzip",
        evidence={"happened": True, "status": status, "content_encoding": encoding},
    )


def _evidence(error: Exception) -> Mapping[str, object]:
    return {"error": type(error).__name__, "detail": str(error)}


class GuardedTransport(httpx2.HTTPTransport):
    """The transport of httpx2 on a pool whose every socket passes the guard."""

    def __init__(self, *, allow_private: bool) -> None:
        context = _ssl_context()
        super().__init__(verify=context)
        # httpx2 has no parameter for it; httpcore2 documents `network_backend`.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context,
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_S,
            network_backend=guard.GuardedBackend(allow_private=allow_private),
        )


_transports: dict[bool, GuardedTransport] = {}
"""The pools of this process, by whether they may reach private addresses."""


def _transport(*, allow_private: bool) -> GuardedTransport:
    transport = _transports.get(allow_private)
    if transport is None:
        transport = _transports.setdefault(allow_private, GuardedTransport(allow_private=allow_private))
    return transport


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


def close_connections() -> None:
    """This will close all idle and open connections; the next call opens its own."""
    for allow_private in tuple(_transports):
        _transports.pop(allow_private).close()


# A child must not speak on its parent's sockets, nor close what the parent still uses.
os.register_at_fork(after_in_child=_transports.clear)
