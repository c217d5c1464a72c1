"""Empties the queue `dead` into the database: a message is confirmed only when its row is committed.

It works beside the dispatcher, in a thread with connections of its own. Any number may run: the broker gives each
message to one of them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from celery import Celery
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone
from kombu import Connection, Queue
from kombu.message import Message

from workflows.operations import poison
from workflows.operations.poison import Poison

log = structlog.get_logger(__name__)
_AT_ONCE = 100
_LOOK_EVERY_S = 2.0


class DeadQueue:
    """One broker connection that takes messages one by one; it reconnects by itself. Not for several threads."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Connection | None = None

    def drain(self) -> int:
        """This will store what is in the queue, up to 100 messages; gives how many it confirmed.

        Where a message cannot be stored now, it stays in the queue: the connection is closed without an answer.
        """
        done = 0
        try:
            queue = self._open()
            while done < _AT_ONCE and _is_database_there() and (message := queue.get(no_ack=False)) is not None:
                _store(message)
                message.ack()
                done += 1
        except Exception:  # broker and database have many kinds of being away, and both come back
            log.warning("dead_queue_away", exc_info=True)
            self.close()
            connection.close()
        return done

    def close(self) -> None:
        """This will end the connection; the next drain makes a new one."""
        opened, self._connection = self._connection, None
        if opened is not None:
            opened.release()

    def _open(self) -> Queue:
        if self._connection is None:
            self._connection = self._app.connection_for_read()
        declared: Queue = self._app.amqp.queues[settings.DEAD_QUEUE]
        bound: Queue = declared(self._connection.default_channel)
        return bound


def watch(app: Celery, *, wait: Callable[[float], bool]) -> None:
    """This will empty the queue again and again until `wait` (seconds to wait at most) says that it is time to end."""
    queue = DeadQueue(app)
    try:
        while not wait(_LOOK_EVERY_S):
            while queue.drain() == _AT_ONCE:
                pass
    finally:
        queue.close()
        connection.close()


def _store(message: Message) -> None:
    body: Any = message.body  # Any: text, bytes or a view, whatever its types say
    found = Poison(
        headers=_mapping(message.headers),
        properties={
            **_mapping(message.properties),
            "content_type": message.content_type,
            "content_encoding": message.content_encoding,
        },
        body=body.encode() if isinstance(body, str) else bytes(body),
        is_redelivered=bool((message.delivery_info or {}).get("redelivered")),
    )
    row = poison.record_message(found, now=timezone.now())
    if row is not None:
        log.error("message_poisoned", message=row.id, queue=row.queue, reason=row.reason, incident=row.fingerprint)


def _is_database_there() -> bool:
    """A broker may forget what is given back too often: nothing is taken that could not be kept."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except DatabaseError:
        connection.close()
        return False
    return True


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
