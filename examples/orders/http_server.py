"""Serves JSON over HTTP/1.1 with keep-alive on the loopback, small and fast; it never knows what is served.

An ordinary application server is not used, because an application behind one cannot do what the example needs
of a bad peer: close the connection without an answer.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

MAX_BODY_BYTES = 65_536
MAX_HEAD_BYTES = 16_384

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asked; names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is answered; `is_dropped` closes the connection instead of answering."""

    status: HTTPStatus
    content: Json
    headers: Mapping[str, str] = field(default_factory=dict)
    is_dropped: bool = False


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class Problem(Exception):
    """A request that is answered with an error; the handler may raise it from anywhere."""

    def __init__(self, *, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail

    def response(self) -> Response:
        """This will give the answer as problem details (RFC 9457)."""
        content: Json = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
        }
        return Response(status=self.status, content=content, headers={"Content-Type": "application/problem+json"})


async def start(*, handler: Handler, port: int) -> asyncio.Server:
    """This will listen on the loopback; port 0 takes a free one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _converse(reader=reader, writer=writer, handler=handler)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the server ends; what was done stays done
        finally:
            writer.close()

    return await asyncio.start_server(serve, host="127.0.0.1", port=port, limit=MAX_HEAD_BYTES, backlog=512)


async def _converse(*, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    """This will answer the requests of one connection, one after the other."""
    while True:
        try:
            request = await _read(reader)
        except Problem as problem:  # where the next request begins is not known any more
            writer.write(_encoded(problem.response(), is_last=True))
            await writer.drain()
            return
        try:
            response = await handler(request)
        except Problem as problem:
            response = problem.response()
        if response.is_dropped:
            writer.transport.abort()
            return
        is_last = request.headers.get("connection", "").lower() == "close"
        writer.write(_encoded(response, is_last=is_last))
        await writer.drain()
        if is_last:
            return


async def _read(reader: asyncio.StreamReader) -> Request:
    """This will read one request. Raises Problem when it is not one, IncompleteReadError at the end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError as e:
        raise Problem(
            status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            detail=f"the head of a request has at most {MAX_HEAD_BYTES} bytes",
        ) from e
    line, *fields = head[:-4].split("\r\n")
    try:
        method, target, _version = line.split(" ")
        headers = {name.lower(): value.strip() for name, value in (f.split(":", 1) for f in fields)}
        size = int(headers.get("content-length", "0"))
    except ValueError as e:
        raise Problem(status=HTTPStatus.BAD_REQUEST, detail="this is not an HTTP/1.1 request") from e
    if "transfer-encoding" in headers:
        raise Problem(status=HTTPStatus.LENGTH_REQUIRED, detail="send the body with a Content-Length")
    if not 0 <= size <= MAX_BODY_BYTES:
        raise Problem(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail=f"a body has at most {MAX_BODY_BYTES} bytes")
    body = await reader.readexactly(size) if size else b""
    url = urlsplit(target)
    return Request(method=method, path=url.path, query=dict(parse_qsl(url.query)), headers=headers, body=body)


def _encoded(response: Response, *, is_last: bool) -> bytes:
    body = json.dumps(response.content).encode()
    headers = {
        "Content-Type": "application/json",
        **response.headers,
        "Content-Length": str(len(body)),
        "Connection": "close" if is_last else "keep-alive",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {int(response.status)} {response.status.phrase}\r\n{lines}\r\n"
    return head.encode("latin-1") + body
