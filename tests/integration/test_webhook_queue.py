"""The way through RabbitMQ: confirmed, drained into rows once, kept when unreadable; and the way around it."""

import contextlib
import os
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from amqp.basic_message import Message
from amqp.exceptions import AMQPError
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone
from kombu.exceptions import KombuError

from automation.intake import rows, stores
from automation.intake.copies import Copied
from automation.intake.database import DatabaseStore
from automation.intake.envelope import QUEUE, Envelope
from automation.intake.stores import BrokerStore
from automation.models import WebhookDelivery
from automation.receiving.draining import Drain
from tests.support.freezing import frozen_postgres
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until
from workflows.core import identity

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def broker() -> Iterator[BrokerStore]:
    """This will be a store at the broker, with an empty queue."""
    wait_until(_is_empty, what="the broker answers")
    store = BrokerStore(settings.BROKER_URL, settle_s=0)
    yield store
    store.close()


def _is_empty() -> bool:
    """A broker that was killed by another test takes its time."""
    try:
        with stores.connect(settings.BROKER_URL) as link, link.channel() as channel:
            stores.declare(channel)
            channel.queue_purge(QUEUE)
    except (OSError, KombuError, AMQPError):
        return False
    return True


@pytest.fixture
def drain() -> Iterator[Drain]:
    """This will be a consumer of the queue."""
    found = Drain(settings.BROKER_URL)
    yield found
    found.close()


def envelopes(source: str, *, count: int) -> list[Envelope]:
    """This will be requests as the intake has judged them."""
    now = timezone.now().timestamp()
    return [
        Envelope(
            id=identity.run_id(unix_ms=int(now * 1000), random_bytes=os.urandom(10)),
            source=source,
            received_at=now,
            body=bytes([n % 256]) * (n + 1),
            headers={"x-n": str(n)},
            peer="192.0.2.7",
            signed_at=now,
        )
        for n in range(count)
    ]


def put(broker: BrokerStore, sent: list[Envelope]) -> None:
    """This will return when the broker has confirmed all; what it confirms too late on a busy machine comes twice."""
    left = sent

    def is_kept() -> bool:
        nonlocal left
        left = list(broker.put(left))
        return not left

    wait_until(is_kept, what="the broker confirms")


def drained(drain: Drain, source: str, *, count: int) -> None:
    """This will return when so many requests of a source are rows."""

    def is_there() -> bool:
        try:
            drain.round(patience_s=1)
        except (OSError, KombuError, AMQPError):
            drain.close()
        return len(kept(source)) >= count

    wait_until(is_there, what="they are rows")


def kept(source: str) -> dict[UUID, bytes]:
    """This will give the bodies that are rows, by id."""
    return {row.id: bytes(row.body) for row in WebhookDelivery.objects.filter(source=source)}


def test_what_is_confirmed_becomes_rows_once(broker: BrokerStore, drain: Drain) -> None:
    source = uuid4().hex
    sent = envelopes(source, count=450)

    put(broker, sent[:300])
    put(broker, sent[200:])  # some of them twice
    drained(drain, source, count=450)

    assert kept(source) == {one.id: one.body for one in sent}
    row = WebhookDelivery.objects.get(id=sent[7].id)
    assert (row.state, row.headers, row.peer) == ("verified", {"x-n": "7"}, "192.0.2.7")


def test_a_consumer_that_dies_before_it_confirms_loses_nothing(broker: BrokerStore, drain: Drain) -> None:
    source = uuid4().hex
    sent = envelopes(source, count=20)
    put(broker, sent)
    drain._open()
    drain._gather(patience_s=2)
    drain.close()

    drained(drain, source, count=20)

    assert set(kept(source)) == {one.id for one in sent}


def test_what_nobody_can_read_is_kept_and_told(broker: BrokerStore, drain: Drain) -> None:
    mark = uuid4().bytes
    with stores.connect(settings.BROKER_URL) as link, link.channel() as channel:
        channel.basic_publish(Message(b"\xff\xff" + mark, delivery_mode=2), exchange="", routing_key=QUEUE)

    wait_until(lambda: drain.round(patience_s=1) == 1, what="it is taken")

    found = [row for row in WebhookDelivery.objects.filter(source="(unreadable)") if bytes(row.body).endswith(mark)]
    assert [row.state for row in found] == ["refused"]


def test_a_broker_that_is_frozen_confirms_nothing(broker: BrokerStore, drain: Drain, servers: RemoteServers) -> None:
    source = uuid4().hex
    sent = envelopes(source, count=3)
    put(broker, sent[:1])
    servers.rabbitmq.pause()

    assert broker.put(sent[1:]) == sent[1:]

    servers.rabbitmq.resume()
    put(broker, sent[1:])
    drained(drain, source, count=3)


def test_a_queue_is_given_nothing_before_it_has_settled(broker: BrokerStore) -> None:
    sent = envelopes(uuid4().hex, count=1)
    young = BrokerStore(settings.BROKER_URL, settle_s=3600)

    wait_until(lambda: not young.put(()) and young._channel is not None, what="it is connected")
    assert young.put(sent) == sent
    young._settle_s = young._settled_at = 0.0
    put(young, sent)
    young.close()


def test_a_receiver_without_a_database_holds_what_it_has_taken(
    broker: BrokerStore, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = uuid4().hex
    put(broker, envelopes(source, count=3))

    def is_held() -> bool:
        with contextlib.suppress(OperationalError, OSError, KombuError, AMQPError):
            drain.round(patience_s=0.2)
        return len(drain._taken) >= 3

    with monkeypatch.context() as patch:
        patch.setattr(rows, "write", _fail)
        wait_until(is_held, what="it holds them")
        with pytest.raises(OperationalError):
            drain.round(patience_s=0.2)
        assert len(drain._taken) >= 3

    drained(drain, source, count=3)


def _fail(_: object) -> None:
    raise OperationalError("away")


def test_a_queue_that_was_deleted_confirms_nothing_and_is_there_again(broker: BrokerStore) -> None:
    sent = envelopes(uuid4().hex, count=2)
    put(broker, sent[:1])
    with stores.connect(settings.BROKER_URL) as link, link.channel() as channel:
        channel.queue_delete(QUEUE)

    assert broker.put(sent[1:]) == sent[1:]
    put(broker, sent[1:])


def copied(broker: BrokerStore, *, most: int = 1000, most_bytes: int = 10_000_000) -> Copied:
    """This will be the broker with copies of what it has confirmed."""
    return Copied(broker, home=DatabaseStore(patience_s=5), most=most, most_bytes=most_bytes, end_s=60)


def put_with_copies(store: Copied, sent: list[Envelope]) -> None:
    """This will return when the broker has confirmed all."""
    wait_until(lambda: not store.put(sent), limit_s=90, what="the broker confirms")


def test_what_a_lost_queue_had_becomes_rows_once(broker: BrokerStore, drain: Drain, servers: RemoteServers) -> None:
    source = uuid4().hex
    sent = envelopes(source, count=300)
    store = copied(broker)
    with frozen_postgres(servers):
        put_with_copies(store, sent[:200])
        with stores.connect(settings.BROKER_URL) as link, link.channel() as channel:
            channel.queue_delete(QUEUE)
        put_with_copies(store, sent[200:])  # the broker has them, too: a receiver makes rows of them meanwhile

    drained(drain, source, count=300)

    assert kept(source) == {one.id: one.body for one in sent}
    wait_until(lambda: store.held == 0, what="nothing is held any more")
    store.close()


@pytest.mark.parametrize("limits", [{"most": 2}, {"most_bytes": 1700}])
def test_no_more_copies_are_held_than_may_be(
    broker: BrokerStore, servers: RemoteServers, limits: dict[str, int]
) -> None:
    source = uuid4().hex
    sent = envelopes(source, count=5)
    store = copied(broker, **limits)

    with frozen_postgres(servers):
        put_with_copies(store, sent)
        put_with_copies(store, sent[:2])  # the same again takes no more room
        assert store.held == 2
    store.close()

    assert set(kept(source)) == {one.id for one in sent[:2]}


def test_whoever_ends_makes_rows_of_its_copies_first(broker: BrokerStore, servers: RemoteServers) -> None:
    source = uuid4().hex
    sent = envelopes(source, count=5)
    store = copied(broker)
    with frozen_postgres(servers):
        put_with_copies(store, sent)

    store.close()

    assert set(kept(source)) == {one.id for one in sent}
