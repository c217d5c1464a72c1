"""Moves requests from the broker's queue into rows; a message is confirmed when its row is committed, never before."""

import os
import time
from collections.abc import Callable
from typing import Any

import structlog
from amqp.exceptions import AMQPError
from django.db import DatabaseError, connection
from django.utils import timezone
from kombu import Connection
from kombu.exceptions import KombuError

from automation import pulse
from automation.intake import rows, stores
from automation.intake.envelope import QUEUE, Envelope, EnvelopeUnreadable, unseal
from workflows.core import identity

log = structlog.get_logger(__name__)
_BATCH = 200
_LINGER_S = 0.02
_IDLE_S = 0.5
_AWAY_S = 1.0


class Drain:
    """One consumer. What it has taken and not confirmed, the broker gives to another when this one dies."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._channel: Any = None  # Any: py-amqp has no types
        self._taken: list[Any] = []  # Any: its messages

    def round(self, *, patience_s: float) -> int:
        """This will write down what has come, once, and give how much that was.

        What could not be written is held, and written the next time: given back it would come again and again.
        """
        self._open()
        self._gather(patience_s=patience_s)
        count = len(self._taken)
        if count:
            rows.write([envelope for envelope in map(self._read, self._taken) if envelope is not None])
            self._channel.basic_ack(self._taken[-1].delivery_tag, multiple=True)
            self._taken.clear()
        return count

    def close(self) -> None:
        """This will end the connection; what was not confirmed comes again."""
        link, self._connection, self._channel = self._connection, None, None
        self._taken.clear()
        if link is not None:
            link.collect(socket_timeout=0.1)

    def _open(self) -> None:
        if self._connection is not None:
            return
        self._connection = link = stores.connect(self._url)
        link.ensure_connection(max_retries=1, interval_start=0, timeout=3)
        channel: Any = link.channel()
        stores.declare(channel)
        channel.basic_qos(0, 2 * _BATCH, False)
        channel.basic_consume(QUEUE, callback=self._taken_append)
        self._channel = channel
        pulse.show({"lanes": {QUEUE: (1, 0.0)}, "room": 1})  # a probe asks the broker whether it knows of a consumer

    def _taken_append(self, message: Any) -> None:  # Any: py-amqp's
        self._taken.append(message)

    def _gather(self, *, patience_s: float) -> None:
        assert self._connection is not None
        until = time.monotonic() + patience_s
        while len(self._taken) < _BATCH:
            left = until - time.monotonic()
            if left <= 0:
                return
            was_empty = not self._taken
            try:
                self._connection.drain_events(timeout=left)
            except TimeoutError:
                return
            if was_empty and self._taken:
                until = min(until, time.monotonic() + _LINGER_S)

    def _read(self, message: Any) -> Envelope | None:  # Any: py-amqp's
        body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        try:
            return unseal(body)
        except EnvelopeUnreadable as error:
            now = timezone.now()
            row = identity.run_id(unix_ms=int(now.timestamp() * 1000), random_bytes=os.urandom(10))
            log.error("intake_message_unreadable", reason=str(error), delivery=str(row))
            rows.write_unreadable(body, row=row, problem=str(error), now=now)
            return None


def run(*, url: str, is_stopping: Callable[[], bool], wait: Callable[[float], object]) -> None:
    """This will move what comes until told to stop; a lost broker or database is waited for."""
    drain = Drain(url)
    try:
        while not is_stopping():
            try:
                drain.round(patience_s=_IDLE_S)
            except (OSError, AMQPError, KombuError, DatabaseError) as error:
                log.warning("intake_drain_waits", reason=f"{type(error).__name__}: {error}"[:200])
                if not isinstance(error, DatabaseError):
                    _close(drain)
                connection.close()
                wait(_AWAY_S)
            except Exception:  # whatever it was, a receiver that takes nothing would look alive
                log.exception("intake_drain_failed")
                _close(drain)
                connection.close()
                wait(_AWAY_S)
    finally:
        _close(drain)
        connection.close()


def _close(drain: Drain) -> None:
    try:
        drain.close()
    except (OSError, AMQPError, KombuError):
        log.info("intake_drain_closed_badly")
