"""The ASGI application of the intake: reads a request, has it judged, has it made durable, answers; nothing else.

POST /hooks/NAME    202, or what the sender's preset wants; 401, 404, 405, 413, 429, 503 as problem+json
GET  /health/live   200 while its parts go on, else 503
GET  /health/ready  200 when the sources are known and some store answers, else 503
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any

from automation.intake.buffer import Buffer, Full
from automation.intake.counting import Refusals
from automation.intake.judging import Buckets, Challenged, Refusal, Source, judge, too_large
from automation.intake.readiness import Readiness
from automation.intake.sources import Sources
from automation.verification.contract import Request
from workflows.core import identity

PREFIX = "/hooks/"
_UNKNOWN = "(unknown)"
_BODY_S = 30.0
_LOOK_S = 2.0
_AGAIN_S = 5.0
Message = MutableMapping[str, Any]  # Any: ASGI's
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")


class Gone(Exception):
    """The client went away before it had sent its body."""


class Intake:
    """One process's intake; `on_shutdown` ends its threads, and blocks until what waits is durable."""

    def __init__(
        self,
        *,
        sources: Sources,
        buffer: Buffer,
        readiness: Readiness,
        refusals: Refusals,
        on_shutdown: Callable[[], None],
        is_draining: Callable[[], bool],
    ) -> None:
        self._sources = sources
        self._buffer = buffer
        self._readiness = readiness
        self._refusals = refusals
        self.close = on_shutdown
        self._is_draining = is_draining
        self._buckets = Buckets()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """This will serve one request, or the beginning and the end of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.to_thread(self.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(PREFIX):
            try:
                answer = await self._take(scope, receive, name=path.removeprefix(PREFIX).removesuffix("/"))
            except Gone:
                return
        elif path == "/health/live":
            answer = _health(self._buffer.is_alive)
        elif path == "/health/ready":
            is_open = self._sources.is_loaded and not self._is_draining()
            answer = _health(is_open and await self._readiness.has_a_store())
        else:
            answer = _refused(Refusal(status=404, reason="path", detail="webhooks are sent to /hooks/NAME"))
        status, headers, body = answer
        if self._is_draining():
            headers = [*headers, (b"connection", b"close")]  # who comes again comes to another process
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _take(self, scope: Mapping[str, Any], receive: Receive, *, name: str) -> "_Answer":
        since = time.monotonic()
        source = self._sources.find(name)
        if source is None:
            source = await self._found_later(name, since=since)
        if source is None and not self._sources.is_loaded:
            self._refusals.note(source=_UNKNOWN, reason="sources")
            detail = "the sources could not be read yet: send it again"
            return _refused(Refusal(status=503, reason="sources", detail=detail, again_s=_AGAIN_S))
        if source is None:
            self._refusals.note(source=_UNKNOWN, reason="source")
            return _refused(Refusal(status=404, reason="source", detail="there is no such source"))
        if scope["method"] == "OPTIONS" and source.options.get("cloudevents"):
            return _welcome(source, _headers(scope["headers"]))
        if scope["method"] != "POST":
            refusal = Refusal(status=405, reason="method", detail="webhooks are sent with POST")
            return _refused(refusal, also=[(b"allow", b"POST")])
        headers = _headers(scope["headers"])
        body = await _body(source, receive, length=headers.get("content-length", ""))
        if isinstance(body, Refusal):
            self._refusals.note(source=name, reason=body.reason)
            return _refused(body, also=[(b"connection", b"close")])
        client = scope.get("client")
        request = Request(body=body, headers=headers, peer=client[0] if client else "")
        return await self._decide(source, request, since=since)

    async def _decide(self, source: Source, request: Request, *, since: float) -> "_Answer":
        decided = self._judged(source, request)
        if isinstance(decided, Refusal) and decided.status == 401 and self._sources.may_be_stale:
            fresh = await self._found_later(source.name, since=since)  # its secret may just have been rotated
            decided = self._judged(fresh, request) if fresh is not None and fresh != source else decided
        if isinstance(decided, Challenged):
            return _answer(200, decided.answer, kind=(b"content-type", b"text/plain"))
        if not isinstance(decided, Refusal):
            try:
                if await self._buffer.put(decided):
                    return _answer(source.preset.accepts, b"" if source.preset.accepts == 200 else _told(decided.id))
                problem = "neither broker nor database takes it at this moment"
            except Full:
                problem = "more waits already than can be taken"
            decided = Refusal(status=503, reason="full", detail=problem, again_s=_AGAIN_S)
        self._refusals.note(source=source.name, reason=decided.reason)
        return _refused(decided)

    def _judged(self, source: Source, request: Request) -> Any:  # Any: what `judge` gives
        now = time.time()
        new_id = identity.run_id(unix_ms=int(now * 1000), random_bytes=os.urandom(10))
        return judge(source, request, buckets=self._buckets, now=now, new_id=new_id)

    async def _found_later(self, name: str, *, since: float) -> Source | None:
        """What was made or rotated a moment ago must be known: look again, at most twice a second."""
        if self._sources.may_be_stale:
            await asyncio.to_thread(self._sources.look_again, since=since, timeout_s=_LOOK_S)
        return self._sources.find(name)


_Answer = tuple[int, Sequence[tuple[bytes, bytes]], bytes]


def _headers(pairs: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """By name in lower case; one that came twice is joined, as RFC 9110 has it."""
    found: dict[str, str] = {}
    for raw, value in pairs:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


async def _body(source: Source, receive: Receive, *, length: str) -> bytes | Refusal:
    """The body, no byte more than its source may send; who sends too slowly is let go."""
    refusal = too_large(source, length=int(length)) if length.isdigit() else None
    if refusal is not None:
        return refusal
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Gone
                part = message.get("body", b"")
                size += len(part)
                refusal = too_large(source, length=size)
                if refusal is not None:
                    return refusal
                parts.append(part)
                if not message.get("more_body"):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        return Refusal(status=408, reason="slow", detail=f"the body did not come within {_BODY_S:g} s")


def _welcome(source: Source, headers: Mapping[str, str]) -> _Answer:
    """Who sends CloudEvents may ask first whether it may (HTTP 1.1 Web Hooks for Event Delivery 1.0, section 4)."""
    origin = headers.get("webhook-request-origin", "").encode("latin-1")
    per_minute = "*" if source.rate is None else str(max(1, int(60 / source.rate.interval_s)))
    allowed = ((b"webhook-allowed-origin", origin or b"*"), (b"webhook-allowed-rate", per_minute.encode()))
    status, plain, body = _answer(200, b"")
    return status, [*plain, *allowed, (b"allow", b"POST")], body


def _told(delivery: object) -> bytes:
    return b'{"id":"%s"}' % str(delivery).encode()


def _health(is_well: bool) -> _Answer:
    return _answer(200 if is_well else 503, b'{"status":"%s"}' % (b"ok" if is_well else b"unavailable"))


def _answer(status: int, body: bytes, *, kind: tuple[bytes, bytes] = _JSON) -> _Answer:
    return status, [kind, (b"content-length", str(len(body)).encode())], body


def _refused(refusal: Refusal, *, also: Sequence[tuple[bytes, bytes]] = ()) -> _Answer:
    document = {
        "type": f"urn:problem-type:automation:webhook-{refusal.reason.replace('_', '-')}",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.detail,
    }
    status, headers, body = _answer(refusal.status, json.dumps(document).encode(), kind=_PROBLEM)
    again = () if refusal.retry_after is None else ((b"retry-after", str(refusal.retry_after).encode()),)
    return status, [*headers, *again, *also], body
