"""The adapter `http.request`: one HTTP request per attempt; it never retries and never follows a redirect.

    with: {method: POST, path: /charges, json: {amount: "12.50"}}

Its output is `{status, headers, body}`: a few harmless headers in lower case, and the body as parsed JSON
where the peer says it is JSON, else as text, None when it is empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import orjson

from audit.redaction import MASK, redacted
from integrations import http, http_async, http_connections, http_message, http_semantics
from integrations.adapters import http_look_up
from integrations.contract import LOOK_UP, CallContext, ConnectionSettings, LookUp
from integrations.errors import Refused, Unknown
from integrations.http_exchange import Limits, Outgoing, Response

name = "http.request"
kind = http_connections.KIND
connection_schema = http_connections.CONNECTION_SCHEMA
secret_names = http_connections.SECRET_NAMES
speaks_http = True
probe = http_connections.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "method": {"enum": ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"], "default": "GET"},
        "path": {"type": "string", "description": "Added to the base URL of the connection."},
        "url": {"type": "string", "pattern": "^https?://", "description": "Absolute; instead of a path."},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "query": {
            "type": "object",
            "additionalProperties": {
                "anyOf": [{"$ref": "#/$defs/one"}, {"type": "array", "items": {"$ref": "#/$defs/one"}}]
            },
        },
        "json": {"description": "Sent as application/json."},
        "body": {"type": "string", "description": "Sent as it is, in UTF-8."},
        LOOK_UP: http_look_up.SCHEMA,
        "expect_status": {
            "description": "Statuses that mean success; without it 200 to 299.",
            "anyOf": [
                {"$ref": "#/$defs/status"},
                {"type": "array", "items": {"$ref": "#/$defs/status"}, "minItems": 1},
            ],
        },
        "idempotency": {
            "enum": ["key", "none"],
            "default": "key",
            "description": "key: methods that change something carry Idempotency-Key. none: they do not, "
            "and are not repeated once their outcome is unknown.",
        },
    },
    "oneOf": [{"required": ["path"]}, {"required": ["url"]}],
    "not": {"required": ["json", "body"]},
    "additionalProperties": False,
    "$defs": {
        "one": {"type": ["string", "number", "boolean", "null"]},
        "status": {"type": "integer", "minimum": 200, "maximum": 599},
    },
}

_SHOWN_HEADERS = ("content-type", "etag", "last-modified", "link", "location", "retry-after", "x-request-id")
_EXCERPT_BYTES = 2_000
_SHORTEST_SECRET = 6
_NO_CONNECTION = ConnectionSettings(name="", base_url="")


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will send the request of one attempt and return `{status, headers, body}`.

    Raises Refused, Unavailable, Throttled or Unknown; an Unknown is not repeatable when the request changes
    something and carried no key.
    """
    prepared = _Prepared(inputs=inputs, connection=connection, context=context)
    with prepared.judged():
        response = http.send(prepared.outgoing)
    return prepared.output(response)


async def acall(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will do what `call` does on an event loop."""
    prepared = _Prepared(inputs=inputs, connection=connection, context=context)
    with prepared.judged():
        response = await http_async.send(prepared.outgoing)
    return prepared.output(response)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether a request of unknown outcome may be sent again: it is safe or has a key."""
    return http_message.is_recognisable(inputs)


def is_safe(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether the request's method changes nothing outside."""
    return http_message.method(inputs) in http_semantics.SAFE_METHODS


def can_look_up(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether the step says how its request is looked up."""
    return http_look_up.is_given(inputs)


def look_up(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> LookUp:
    """This will ask whether the request has happened, as `look_up` of the inputs says.

    Raises as `call` does when the question cannot be asked, Refused when its expressions have no result.
    """
    question = http_look_up.question(inputs, key=context.idempotency_key)
    response = call(inputs=question, connection=connection, context=context)
    return http_look_up.verdict(inputs, response=response, context=context)


async def alook_up(
    *, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext
) -> LookUp:
    """This will do what `look_up` does on an event loop."""
    question = http_look_up.question(inputs, key=context.idempotency_key)
    response = await acall(inputs=question, connection=connection, context=context)
    return http_look_up.verdict(inputs, response=response, context=context)


class _Prepared:
    """One attempt, up to what is sent and from what came back: all but the sending."""

    def __init__(
        self, *, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext
    ) -> None:
        settings = connection or _NO_CONNECTION
        headers = http_message.headers(inputs, settings=settings, key=context.idempotency_key)
        self._inputs = inputs
        self._secrets = settings.secrets
        self._has_key = http_message.KEY_HEADER in headers
        self.outgoing = Outgoing(
            method=http_message.method(inputs),
            url=http_message.url(inputs, base_url=settings.base_url),
            headers=headers,
            content=http_message.content(inputs),
            limits=Limits.of(settings, timeout_s=context.timeout_s),
        )

    @contextmanager
    def judged(self) -> Iterator[None]:
        """This will tell what a call without an answer means for this method."""
        try:
            yield
        except Unknown as error:
            raise http_semantics.unknown_or_unavailable(
                error.message,
                method=self.outgoing.method,
                evidence=error.evidence,
                repeatable=self._has_key,
            ) from error

    def output(self, response: Response) -> object:
        """This will turn the answer into the step's output, or raise what it means."""
        body = _masked(response.body, secrets=self._secrets)
        if not _is_expected(response.status, self._inputs.get("expect_status")):
            raise http_semantics.failure_for(
                http_semantics.Answer(
                    method=self.outgoing.method,
                    status=response.status,
                    headers=response.headers,
                    excerpt=_text(body[:_EXCERPT_BYTES]),
                    sent_key=self._has_key,
                ),
                now=datetime.now(UTC),
            )
        shown = {header: response.headers[header] for header in _SHOWN_HEADERS if header in response.headers}
        return {
            "status": response.status,
            "headers": redacted(shown, secrets=self._secrets),
            "body": _parsed(body, content_type=shown.get("content-type", ""), status=response.status),
        }


def _is_expected(status: int, expected: object) -> bool:
    if expected is None:
        return 200 <= status < 300
    return status in expected if isinstance(expected, Sequence) else status == expected


def _parsed(body: bytes, *, content_type: str, status: int) -> object:
    if not body:
        return None
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        return _text(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(
            f"the call happened (status {status}), but its answer is not the JSON it says it is: {error}",
            evidence={"happened": True, "status": status, "body": _text(body[:_EXCERPT_BYTES])},
        ) from error


def _text(body: bytes) -> str:
    """This will decode UTF-8; what is none, and NUL, which PostgreSQL cannot store, become U+FFFD."""
    return body.decode(errors="replace").replace("\0", "\ufffd")


def _masked(body: bytes, *, secrets: Sequence[str]) -> bytes:
    """This will mask secrets a peer sends back, for what we return is stored."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            body = body.replace(secret.encode(), MASK.encode())
    return body
