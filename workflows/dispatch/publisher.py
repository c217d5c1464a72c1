"""Sends canvas to the broker and knows what has arrived: pipelined confirms on RabbitMQ, plain sends elsewhere."""

import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import structlog
from celery import Celery
from django.conf import settings
from kombu import Connection

from workflows.dispatch import leaders
from workflows.dispatch.canvas import Parcel
from workflows.dispatch.window import Depth, Window
from workflows.store import ActivationRef

log = structlog.get_logger(__name__)
_CONFIRM_S = 10.0
_NO_CANVAS_S = 10.0


class _Confirms:
    """Counts what the broker has confirmed on one channel, and remembers what it refused or could not route."""

    def __init__(self, channel: Any) -> None:  # py-amqp's channel has no types
        self._channel = channel
        self._last_tag = 0
        self._open: dict[int, Parcel] = {}
        self._task_tags: dict[str, int] = {}
        self.failed: list[Parcel] = []
        self.is_silent = False
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)

    def expect(self, parcel: Parcel, *, task_id: str) -> None:
        """This will note that a parcel has just been sent as the channel's next message."""
        self._last_tag += 1
        self._open[self._last_tag] = parcel
        self._task_tags[task_id] = self._last_tag

    def wait(self, connection: Connection) -> Sequence[Parcel]:
        """This will wait until everything is answered, and give what did not arrive; `is_silent`: no answer came."""
        deadline = time.monotonic() + _CONFIRM_S
        while self._open and time.monotonic() < deadline:
            try:
                connection.drain_events(timeout=max(deadline - time.monotonic(), 0.01))
            except TimeoutError:
                break
        self.is_silent = bool(self._open)
        failed = [*self.failed, *self._open.values()]
        self.failed = []
        self._open.clear()
        self._task_tags.clear()
        return failed

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._take(tag, multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self.failed.extend(self._take(tag, multiple))

    def _on_return(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        log.error("message_unroutable", exchange=exchange, routing_key=routing_key, reason=str(error))
        tag = self._task_tags.get(message.headers.get("id", ""))
        parcel = None if tag is None else self._open.get(tag)
        if parcel is not None:
            self.failed.append(parcel)

    def _take(self, tag: int, multiple: bool) -> Sequence[Parcel]:
        tags = [known for known in self._open if known == tag or (multiple and known < tag)]
        return [self._open.pop(known) for known in tags]


class Publisher:
    """One broker connection of a dispatcher; it reconnects by itself. Not for use by several threads.

    Lanes without a leader are made anew as it connects: it does so when RabbitMQ was killed, and when one was silent.

    Source of the confirm protocol: RabbitMQ publisher confirms (confirm.select, basic.ack, basic.nack).
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Connection | None = None
        self._producer: Any = None  # kombu's producer has no types
        self._confirms: _Confirms | None = None
        self._canvas_after = 0.0
        self.lanes: Sequence[str] = [*settings.LANES]
        self._window = Window(
            lanes=self.lanes, cap=settings.DISPATCH_WINDOW, seconds=settings.DISPATCH_WINDOW_S, depth=self._depth
        )

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, parcels: Iterable[Parcel]) -> Sequence[ActivationRef]:
        """This will send parcels and give the activations whose message did not arrive for sure."""
        parcels = list(parcels)
        try:
            return self._send(parcels)
        except Exception:  # the broker is away: whatever was sent may come twice, which harms nothing
            log.warning("dispatch_failed", parcels=len(parcels), exc_info=True)
            self.close()
            return [ref for parcel in parcels for ref in parcel.refs]

    def rooms(self) -> Mapping[str, int]:
        """This will give how many activations the lanes have room for, urgent ones first; none without a broker."""
        try:
            return self._window.rooms()
        except Exception:  # the broker is away: what is due waits in the database
            log.warning("broker_away", exc_info=True)
            self.close()
            return {}

    def look_ahead(self) -> None:
        """This will find out, while there is time, how much room lanes have that fill up."""
        try:
            self._window.look_ahead()
        except Exception:  # the broker is away: `rooms` will notice it too
            log.warning("broker_away", exc_info=True)
            self.close()

    def close(self) -> None:
        """This will end the connection; the next send makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()
        self._producer = self._confirms = None

    def _open(self) -> Connection:
        if self._connection is None:
            connection = self._app.connection_for_write()
            is_amqp = connection.transport.driver_type == "amqp"
            # Confirms are waited for once per batch, here, and not once per message by the driver.
            connection.transport_options = {
                **(connection.transport_options or {}),
                "confirm_publish": False,
            }
            channel = connection.channel()
            for queue in self._app.amqp.queues.values():
                queue(channel).declare()  # a broker that lost its data gets its queues back from either side
            if is_amqp:
                leaders.mend(self._app, lanes=self.lanes)
            self._producer = self._app.amqp.Producer(channel, auto_declare=False)
            self._confirms = _Confirms(channel) if is_amqp else None
            self._connection = connection
        return self._connection

    def _depth(self, lane: str) -> Depth:
        self._open()
        channel = self._producer.channel
        if self._confirms is None:  # kombu's queues on Redis do not exist while they are empty, nor count consumers
            return Depth(int(channel._size(lane)), consumers=0)
        found = channel.queue_declare(queue=lane, passive=True)
        return Depth(int(found.message_count), consumers=int(found.consumer_count))

    def _send(self, parcels: Sequence[Parcel]) -> Sequence[ActivationRef]:
        connection = self._open()
        for parcel in parcels:
            self._window.note_sent(parcel.lane, messages=len(parcel.apart) or 1, activations=len(parcel.refs))
            if not parcel.apart or not self._send_canvas(parcel):
                for message in parcel.apart or (parcel,):
                    self._send_message(message)
        if self._confirms is None:
            return []
        unconfirmed = self._confirms.wait(connection)
        if self._confirms.is_silent:
            log.warning("lanes_silent", lanes=sorted({parcel.lane for parcel in unconfirmed}), confirm_s=_CONFIRM_S)
            self._drop()
        return [ref for parcel in unconfirmed for ref in parcel.refs]

    def _drop(self) -> None:
        """End the connection without a word: its channel may be blocked by a queue that takes nothing."""
        connection, self._connection = self._connection, None
        self._producer = self._confirms = None
        if connection is not None:
            connection.collect(socket_timeout=0.1)

    def _send_message(self, parcel: Parcel) -> None:
        result = parcel.canvas.apply_async(producer=self._producer, mandatory=True)
        if self._confirms is not None:
            self._confirms.expect(parcel, task_id=str(result.id))

    def _send_canvas(self, parcel: Parcel) -> bool:
        """Send through Celery's own producers; chords are counted in Redis, which may be away: then without it."""
        if time.monotonic() < self._canvas_after:
            return False
        try:
            parcel.canvas.apply_async()
        except Exception:  # celery and redis raise many kinds
            log.warning("canvas_not_sent", refs=len(parcel.refs), single_messages_for_s=_NO_CANVAS_S, exc_info=True)
            self._canvas_after = time.monotonic() + _NO_CANVAS_S
            return False
        return True
