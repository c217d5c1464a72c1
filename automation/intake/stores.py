"""What a durable place is; and RabbitMQ with publisher confirms, for what PostgreSQL does not take. It retries nothing.

None returns before what it was given would survive the loss of this process and of its own.
"""

import time
from collections.abc import Sequence
from typing import Any, Protocol

import structlog
from amqp.basic_message import Message
from amqp.exceptions import AMQPError
from kombu import Connection
from kombu.exceptions import KombuError

from automation.intake.envelope import CONTENT_TYPE, QUEUE, Envelope, seal

log = structlog.get_logger(__name__)
_CONNECT_S = 2
_CONFIRM_S = 3.0
_REST_S = 2.0
_LONGEST_REST_S = 60.0
SETTLE_S = 5.0
"""A quorum queue lives through a crash of its broker from about a second after it was declared: until then the broker
has not written down whose its log is, confirms all the same, and begins again without a log and without a leader."""
_RETURNED_AT_MOST = 1_000_000_000
_AWAY = (OSError, KombuError, AMQPError)


class Store(Protocol):
    """A durable place."""

    def put(self, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
        """This will keep requests, and give those it may not have kept."""

    def close(self) -> None:
        """This will let its connection go."""

    def is_reachable(self) -> bool:
        """This will tell whether it answers, from any thread, over a connection of its own."""


def ask(store: Store, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
    """This will have a store keep requests, and give those it may not have kept, whatever goes wrong in it."""
    try:
        return store.put(envelopes)
    except Exception:  # whatever a store does, who waits must be answered, and the thread must go on
        log.exception("intake_store_failed", store=type(store).__name__)
        store.close()
        return envelopes


def is_amqp(url: str) -> bool:
    """This will tell whether a broker confirms what it has written down.

    >>> is_amqp("amqps://user@host//"), is_amqp("redis://host/0")
    (True, False)
    """
    return url.startswith(("amqp://", "amqps://"))


def connect(url: str) -> Connection:
    """This will prepare a connection that fails after seconds and never hangs."""
    timeouts = {"read_timeout": _CONFIRM_S, "write_timeout": _CONFIRM_S, "confirm_publish": False}
    return Connection(url, connect_timeout=_CONNECT_S, heartbeat=0, transport_options=timeouts)


def declare(channel: Any) -> None:  # Any: py-amqp has no types
    """This will have the queue exist; it may be declared from either side, any number of times.

    Without a limit of its own RabbitMQ 4 throws away what was returned twenty times: a receiver without a database.
    """
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": _RETURNED_AT_MOST}
    channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments=arguments)


class BrokerStore:
    """RabbitMQ: a batch is sent in one go, then all its confirms are waited for. While it is away it rests.

    It takes nothing before it has been connected for `settle_s`: so long the queue has existed by then, whoever
    declared it. One that keeps silent holds up a batch each time, and is asked ever more rarely.
    """

    def __init__(self, url: str, *, settle_s: float = SETTLE_S) -> None:
        self._url = url
        self._settle_s = settle_s
        self._settled_at = 0.0
        self._rest_s = _REST_S
        self._connection: Connection | None = None
        self._channel: Any = None  # Any: py-amqp has no types
        self._rests_until = 0.0
        self._tag = 0
        self._open: dict[int, Envelope] = {}
        self._failed: list[Envelope] = []

    def put(self, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
        """This will publish a batch, and give what was not confirmed. With nothing to send it looks for its queue."""
        if time.monotonic() < self._rests_until:
            return envelopes
        try:
            self._connect()
            if not envelopes:
                self._channel.queue_declare(QUEUE, passive=True)
            if not envelopes or time.monotonic() < self._settled_at:
                return envelopes
            for envelope in envelopes:
                self._publish(envelope)
            self._await_confirms()
        except _AWAY as error:
            log.warning("intake_broker_away", reason=f"{type(error).__name__}: {error}"[:200])
            self._rest(_REST_S)
            return envelopes  # what had arrived comes twice, under one id
        failed = [*self._failed, *self._open.values()]
        if self._open:  # a silent broker cannot confirm this batch in the middle of another
            log.warning("intake_broker_silent", queue=QUEUE, count=len(self._open), rest_s=self._rest_s)
            self._rest(self._rest_s)
            self._rest_s = min(2 * self._rest_s, _LONGEST_REST_S)
        elif failed:  # the queue is made anew
            self._rest(_REST_S)
        else:
            self._rest_s = _REST_S
        return failed

    def _rest(self, rest_s: float) -> None:
        self._rests_until = time.monotonic() + rest_s
        self.close()

    def close(self) -> None:
        """This will end the connection; the next batch makes a new one."""
        link, self._connection, self._channel = self._connection, None, None
        self._open.clear()
        self._failed.clear()
        if link is not None:
            try:
                link.collect(socket_timeout=0.1)
            except _AWAY:
                log.info("intake_broker_closed_badly")

    def is_reachable(self) -> bool:
        """This will connect anew, and tell whether that worked."""
        try:
            with connect(self._url) as link:
                link.ensure_connection(max_retries=1, interval_start=0, timeout=_CONNECT_S)
        except _AWAY:
            return False
        return True

    def _connect(self) -> None:
        if self._connection is not None:
            return
        self._connection = link = connect(self._url)
        link.ensure_connection(max_retries=1, interval_start=0, timeout=_CONNECT_S)
        channel: Any = link.channel()
        declare(channel)
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        self._channel, self._tag = channel, 0
        self._settled_at = time.monotonic() + self._settle_s
        log.info("intake_broker_connected", queue=QUEUE, settle_s=self._settle_s)

    def _publish(self, envelope: Envelope) -> None:
        message = Message(seal(envelope), delivery_mode=2, content_type=CONTENT_TYPE, message_id=envelope.id.hex)
        self._tag += 1
        self._open[self._tag] = envelope
        self._channel._basic_publish(message, exchange="", routing_key=QUEUE, mandatory=True)

    def _await_confirms(self) -> None:
        assert self._connection is not None
        until = time.monotonic() + _CONFIRM_S
        while self._open:
            left = until - time.monotonic()
            if left <= 0:
                return
            try:
                self._connection.drain_events(timeout=left)
            except TimeoutError:
                return

    def _on_ack(self, tag: int, multiple: bool) -> None:
        if not multiple:
            self._open.pop(tag, None)
            return
        for known in [known for known in self._open if known <= tag]:
            del self._open[known]

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for known in [known for known in self._open if known == tag or (multiple and known < tag)]:
            self._failed.append(self._open.pop(known))

    def _on_return(self, error: Exception, _exchange: str, _routing_key: str, message: Any) -> None:
        """Nobody keeps it: its confirm follows all the same, and must not count."""
        log.warning("intake_queue_missing", reason=str(error)[:200])
        wanted = message.properties.get("message_id", "")
        self._failed.extend(envelope for envelope in self._open.values() if envelope.id.hex == wanted)
