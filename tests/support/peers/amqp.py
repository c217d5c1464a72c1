"""RabbitMQ as the peer of `amqp.publish` and `amqp.get`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp

from integrations.adapters.amqp import get, publish
from integrations.contract import ConnectionSettings
from tests.support.peers.contract import SECRET, Case, Peer, settings


class _AmqpPeer(Peer):
    """One queue for each adapter."""

    changes = True

    def set_up(self) -> None:
        with self.channel() as channel:
            channel.queue_declare(self.id, durable=True, auto_delete=False)

    @property
    def port(self) -> int:
        return urlsplit(os.environ["BROKER_URL"]).port or 0

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """This will be a channel beside the adapter."""
        parts = urlsplit(os.environ["BROKER_URL"])
        with amqp.Connection(
            f"127.0.0.1:{parts.port}", parts.username, parts.password, virtual_host=self.virtual_host
        ) as connection:
            yield connection.channel()

    @property
    def virtual_host(self) -> str:
        """This will be that of the session's broker."""
        return unquote(urlsplit(os.environ["BROKER_URL"]).path[1:]) or "/"

    def connection(self, *, port: int | None = None, **changes: object) -> ConnectionSettings:
        parts = urlsplit(os.environ["BROKER_URL"])
        return settings(
            f"amqp://127.0.0.1:{port or self.port}",
            changes,
            options={"user": parts.username, "virtual_host": self.virtual_host},
            secret_values={"password": parts.password},
        )

    def wrong_login(self) -> ConnectionSettings:
        return self.connection(secret_values={"password": SECRET})


class Publish(_AmqpPeer):
    """`amqp.publish` of a message that a queue takes."""

    id = "amqp.publish"
    adapter = publish
    cut_at = b"cut-here"

    def inputs(self) -> Mapping[str, object]:
        return {"routing_key": self.id, "json": {"word": f"cut-here {self.unique()}"}, "headers": {"tries": 1}}

    def check(self, output: Any) -> None:
        assert set(output) == {"message_id"}

    def effects(self) -> int:
        seen: set[str] = self.services.once("amqp-seen", lambda _: set())
        with self.channel() as channel:
            while message := channel.basic_get(self.id, no_ack=True):
                seen.add(message.properties["message_id"])
        return len(seen)

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        return (
            Case(inputs={"routing_key": "no-queue", "body": "x"}, connection=works, says="no queue"),
            Case(inputs={"routing_key": "x", "exchange": "none", "body": "x"}, connection=works, says="404"),
        )

    def throttled(self) -> Iterator[Case]:
        name = f"full-{self.unique()}"
        full = {"x-max-length": 1, "x-overflow": "reject-publish"}
        with self.channel() as channel:
            channel.queue_declare(name, arguments=full)
            channel.basic_publish(amqp.Message("first"), routing_key=name)
            yield Case(inputs={"routing_key": name, "body": "second"}, connection=self.connection())


class Get(_AmqpPeer):
    """`amqp.get` of two messages out of three."""

    id = "amqp.get"
    adapter = get
    cut_at = b"\x00\x14\x00\x28"  # channel.close, behind the acknowledgement

    def set_up(self) -> None:
        super().set_up()
        self.published = self.purged = 0

    def inputs(self) -> Mapping[str, object]:
        with self.channel() as channel:
            self.purged += channel.queue_purge(self.id)
            message = amqp.Message(b'{"a": 1}', content_type="application/json", message_id="m-1")
            channel.basic_publish_confirm(message, routing_key=self.id)
        self.published += 1
        return {"queue": self.id, "max_messages": 5}

    def check(self, output: Any) -> None:
        (message,) = output["messages"]
        assert message["body"] == {"a": 1}
        assert message["message_id"] == "m-1"
        assert message["routing_key"] == self.id

    def effects(self) -> int:
        with self.channel() as channel:
            there = channel.queue_declare(self.id, passive=True).message_count
            return self.published - self.purged - int(there)

    def wrong(self) -> Sequence[Case]:
        return (Case(inputs={"queue": "none"}, connection=self.connection(), says="404"),)

    def too_large(self) -> Case:
        inputs = self.inputs()
        return Case(inputs=inputs, connection=self.connection(max_response_bytes=3), says="3 bytes")
