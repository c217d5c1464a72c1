"""Speaks for the apps of vendors over HTTP and JSON: one request, one answer, or what it means that there is none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson

from integrations import http, http_async, http_message, http_semantics
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline
from integrations.errors import CallFailed, Unknown
from integrations.http_exchange import Limits, Outgoing, Response

_EXCERPT_BYTES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request below the base URL of the connection. `changes` is false where a POST only asks.

    `allowed` are statuses besides 2xx, and the vendor's
    words for failures, that the exchange wants to see itself.
    """

    method: str = "GET"
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    json: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    changes: bool = True
    allowed: tuple[int | str, ...] = ()

    @property
    def semantics(self) -> str:
        """This will name the method whose promises the request keeps."""
        return self.method if self.changes else "GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; `body` is None where there is none. `text` is its beginning, for a person."""

    status: int
    headers: Mapping[str, str]
    body: Any  # Any: JSON
    text: str


Judge = Callable[[Ask, Reply], CallFailed | None]
"""What a vendor's answer means that HTTP alone does not say; None: what HTTP says."""
Headers = Callable[[ConnectionSettings], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class HttpSpeaker:
    """Keeps `integrations.vendor.Speaker`. `prefix` stands before every path."""

    connection: ConnectionSettings
    deadline: Deadline
    headers: Headers
    judge: Judge
    prefix: str = ""

    def ask(self, question: Ask) -> Reply:
        """This will send a request. Raises CallFailed for everything that is no success."""
        try:
            response = http.send(self._outgoing(question))
        except Unknown as error:
            raise _without_answer(question, error=error) from error
        return self._reply(question, response)

    async def aask(self, question: Ask) -> Reply:
        """This will do the same on an event loop."""
        try:
            response = await http_async.send(self._outgoing(question))
        except Unknown as error:
            raise _without_answer(question, error=error) from error
        return self._reply(question, response)

    def _outgoing(self, question: Ask) -> Outgoing:
        headers = {"accept": "application/json", **self.headers(self.connection)}
        headers |= {name.lower(): value for name, value in self.connection.headers.items()}
        content = None
        if question.json is not None:
            headers["content-type"] = "application/json"
            content = orjson.dumps(question.json)
        query = {name: value for name, value in question.query.items() if value is not None}
        path = self.prefix + question.path
        return Outgoing(
            method=question.method,
            url=http_message.url({"path": path, "query": query}, base_url=self.connection.base_url),
            headers={**headers, **question.headers},
            content=content,
            limits=Limits.of(self.connection, timeout_s=self.deadline.left_s),
        )

    def _reply(self, question: Ask, response: Response) -> Reply:
        text = response.body[:_EXCERPT_BYTES].decode(errors="replace").replace("\0", "\ufffd")
        is_success = 200 <= response.status < 300
        body = _parsed(response.body)
        reply = Reply(status=response.status, headers=response.headers, body=body, text=text)
        failure = self.judge(question, reply)
        if failure is not None:
            raise failure
        if not is_success and response.status not in question.allowed:
            raise failure_of(question, reply, vendor=self.connection.kind)
        if is_success and body is None and response.body:
            raise http_semantics.unknown_or_unavailable(
                f"{question.method} was answered with status {response.status} and no JSON",
                method=question.semantics,
                evidence={"status": response.status, "body": text},
                repeatable=False,
            )
        return reply


def failure_of(question: Ask, reply: Reply, *, vendor: str, said: str = "", sent_key: bool = False) -> CallFailed:
    """This will be what an answer means by HTTP alone; `said` is what the vendor says of it, for a person."""
    answer = http_semantics.Answer(
        method=question.semantics, status=reply.status, headers=reply.headers, excerpt=reply.text, sent_key=sent_key
    )
    failure = http_semantics.failure_for(answer, now=datetime.now(UTC))
    failure.message = f"{vendor} answered {question.method} {question.path} with {reply.status}"
    if said:
        failure.message += f": {said[:500]}"
    failure.args = (failure.message,)
    return failure


def segment(value: object) -> str:
    """This will write a value as one segment of a path.

    >>> segment("a/b ü")
    'a%2Fb%20%C3%BC'
    """
    return quote(str(value), safe="")


def _parsed(body: bytes) -> Any:  # Any: JSON
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return None


def _without_answer(question: Ask, *, error: Unknown) -> CallFailed:
    return http_semantics.unknown_or_unavailable(
        error.message, method=question.semantics, evidence=error.evidence, repeatable=False
    )
