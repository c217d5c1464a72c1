"""The cheapest HTTP client that is correct for our own answers; a heavier one would be measured with them."""

import socket
from types import TracebackType
from typing import Self

import orjson

_LIMIT_S = 30.0
_CHUNK = 65_536


class HttpError(Exception):
    """The server answered with another status than 201, or in another way than ours does."""


class KeepAliveClient:
    """One connection to one server on this machine; each request is one write, and waits for its answer."""

    def __init__(self, *, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def request(self, *, path: str, document: object) -> bytes:
        """This will build a POST request, so that sending it costs nothing but the sending."""
        body = orjson.dumps(document)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def send(self, request: bytes) -> bytes:
        """This will send a request and give the body of the answer. Raises HttpError unless it is 201."""
        self._socket.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        status, length = parse_head(head)
        while len(body) < length:
            body += self._receive()
        if status != 201:
            raise HttpError(f"status {status}, not 201: {body[:500]!r}")
        return body

    def _receive(self) -> bytes:
        data = self._socket.recv(_CHUNK)
        if not data:
            raise HttpError("the server closed the connection before its answer was complete")
        return data


def parse_head(head: bytes) -> tuple[int, int]:
    r"""This will read status and length from the head of an answer. Raises HttpError when one is missing.

    >>> parse_head(b"HTTP/1.1 201 Created\r\nContent-Length: 12")
    (201, 12)
    """
    first, *lines = head.split(b"\r\n")
    for line in lines:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(first.split()[1]), int(value)
    raise HttpError(f"an answer without Content-Length: {head[:200]!r}")
