"""A message as it lies in a queue: caught, put back, written down, and reduced to its form."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
from celery import current_app
from kombu import Exchange, Producer, Queue

_LITERAL = frozenset({"task", "lang", "content_type", "content_encoding", "reason", "subtask_type"})
"""What is an agreed word, and not just any text."""
_COUNTED_BY_THE_BROKER = ("x-delivery-count", "x-acquired-count")
_HOST = re.compile(r"gen\d+@.*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message; `body` and `headers` are plain JSON."""

    routing_key: str
    content_type: str
    content_encoding: str
    headers: Mapping[str, Any]  # Any: JSON, as Celery and the broker made it
    properties: Mapping[str, Any]
    body: Any

    def text(self) -> str:
        """This will be all of it, for looking for names."""
        return orjson.dumps(asdict(self)).decode()

    def form(self) -> object:
        """This will be what is in it without values: other messages of the same form are read alike."""
        return _form({"headers": self.headers, "properties": self.properties, "body": self.body})

    def renamed(self, names: Mapping[str, str]) -> "Message":
        """This will be the same message with other names in it, wherever they are."""
        text = self.text()
        for old, new in names.items():
            text = text.replace(old, new)
        return Message(**orjson.loads(text))


def caught(queue: str) -> Iterator[Message]:
    """This will take everything out of a queue."""
    with current_app.connection_for_write() as connection, connection.channel() as channel:
        source = Queue(queue, channel=channel)
        while (found := source.get(no_ack=True)) is not None:
            yield _read(found)


def put(message: Message, *, exchange: Exchange, routing_key: str) -> None:
    """This will put a message into a queue as it is."""
    with current_app.connection_for_write() as connection, connection.channel() as channel:
        Producer(channel, exchange=exchange, auto_declare=False).publish(
            orjson.dumps(message.body),
            routing_key=routing_key,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            headers=dict(message.headers),
            **message.properties,
        )


def _read(found: Any) -> Message:  # Any: kombu's message
    body = found.body.encode() if isinstance(found.body, str) else bytes(found.body)
    headers = orjson.loads(orjson.dumps(dict(found.headers), default=_plain))
    headers = {key: value for key, value in headers.items() if key not in _COUNTED_BY_THE_BROKER}
    if "origin" in headers:
        headers["origin"] = _HOST.sub("gen1@host", headers["origin"])
    kept = ("correlation_id", "reply_to", "delivery_mode", "priority", "expiration")
    return Message(
        routing_key=found.delivery_info["routing_key"],
        content_type=found.content_type,
        content_encoding=found.content_encoding,
        headers=headers,
        properties={key: found.properties[key] for key in kept if key in found.properties},
        body=orjson.loads(body),
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _form(value: object, *, key: str = "") -> object:
    if isinstance(value, Mapping):
        return {name: _form(inner, key=str(name)) for name, inner in sorted(value.items())}
    if isinstance(value, Sequence) and not isinstance(value, str):
        forms: list[object] = []
        for inner in value:
            form = _form(inner)
            if not forms or forms[-1] != form:  # however many of the same form follow each other
                forms.append(form)
        return forms
    return value if key in _LITERAL else type(value).__name__
