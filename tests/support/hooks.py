"""Sends requests to the real intake application inside this process, with PostgreSQL as its durable place."""

import asyncio
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson
from django.utils import timezone

from automation.intake.app import Intake
from automation.intake.database import DatabaseStore
from automation.intake.serving import intake_of
from automation.receiving import firing, processing


@dataclass(frozen=True)
class Answer:
    """What the intake answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # Any: JSON
        """This will read its body."""
        return orjson.loads(self.body)


def post(
    source: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    peer: str = "127.0.0.1",
    method: str = "POST",
) -> Answer:
    """This will send one request and give the answer."""
    app = intake_of([DatabaseStore(patience_s=30)])
    scope = {
        "type": "http",
        "method": method,
        "path": f"/hooks/{source}",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": (peer, 1),
    }
    try:
        return asyncio.run(_ask(app, scope, body))
    finally:
        app.close()


async def _ask(app: Intake, scope: Mapping[str, Any], body: bytes) -> Answer:  # Any: ASGI's
    sent: list[MutableMapping[str, Any]] = []
    parts = [body[:10], body[10:]]

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, end = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(status=start["status"], headers=headers, body=end["body"])


def receive_all() -> None:
    """This will do what a receiver does until nothing is left."""
    while processing.process(now=timezone.now()) or firing.fire(now=timezone.now()):
        pass
