"""The way into PostgreSQL: a batch at once, each request once; and no wait for a server that stands still."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from automation.intake.database import DatabaseStore
from automation.intake.envelope import Envelope
from automation.models import WebhookDelivery
from tests.support.freezing import frozen_postgres
from tests.support.plans import explain, nodes
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until
from workflows import statements
from workflows.core import identity

pytestmark = pytest.mark.usefixtures("database")
PATIENCE_S = 1.0


@pytest.fixture
def store() -> Iterator[DatabaseStore]:
    """This will be PostgreSQL as a store that is waited for a second, connected."""
    found = DatabaseStore(patience_s=PATIENCE_S)
    wait_until(lambda: found.put(()) == (), what="it is connected")
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
            body=bytes([n % 256]) * n,
            headers={"x-n": f"{n}ü"},
            peer="192.0.2.7",
            key=1,
            signed_at=now - 1 if n % 2 else None,
        )
        for n in range(count)
    ]


def put(store: DatabaseStore, sent: list[Envelope]) -> None:
    """This will return when they are rows, however busy the machine is."""
    wait_until(lambda: not store.put(sent), what="PostgreSQL takes them")


def kept(source: str) -> dict[object, bytes]:
    """This will give the bodies that are rows, by id."""
    return {row.id: bytes(row.body) for row in WebhookDelivery.objects.filter(source=source)}


def test_a_batch_becomes_rows_and_the_same_batch_again_changes_nothing(store: DatabaseStore) -> None:
    source = uuid4().hex
    sent = envelopes(source, count=300)

    put(store, sent[:200])
    put(store, sent[100:])

    assert kept(source) == {one.id: one.body for one in sent}
    row = WebhookDelivery.objects.get(id=sent[7].id)
    assert (row.state, row.headers, row.peer, row.key) == ("verified", {"x-n": "7ü"}, "192.0.2.7", 1)
    assert row.received_at.timestamp() == pytest.approx(sent[7].received_at, abs=1e-5)
    assert row.signed_at is not None
    assert row.signed_at.timestamp() == pytest.approx(sent[7].received_at - 1, abs=1e-5)
    assert WebhookDelivery.objects.get(id=sent[8].id).signed_at is None


def test_what_postgresql_cannot_store_of_a_request_is_left_out(store: DatabaseStore) -> None:
    source = uuid4().hex
    (odd,) = envelopes(source, count=1)

    put(store, [replace(odd, peer="a\0b", headers={"x\0": "y\0", "z": "\\u0000"}, source=source + "s" * 200)])

    row = WebhookDelivery.objects.get(id=odd.id)
    assert (row.peer, row.headers, len(row.source)) == ("ab", {"x": "y", "z": "\\u0000"}, 100)


def test_a_server_that_stands_still_is_given_up_soon_and_then_costs_nothing(
    store: DatabaseStore, servers: RemoteServers
) -> None:
    source = uuid4().hex
    sent = envelopes(source, count=2)
    put(store, sent[:1])

    with frozen_postgres(servers):
        assert store.put(sent) == sent, "it is given up"
        began = time.monotonic()
        assert [store.put(sent) for _ in range(20)] == [sent] * 20
        took_s = time.monotonic() - began

    assert took_s < 20 * PATIENCE_S / 2, "not each batch waits for it"
    put(store, sent)
    assert kept(source).keys() == {one.id for one in sent}


def test_a_table_that_is_locked_is_given_up_and_nothing_goes_on_waiting_there(store: DatabaseStore) -> None:
    source = uuid4().hex
    sent = envelopes(source, count=1)
    put(store, sent)
    lock = "lock table automation_webhook_delivery in access exclusive mode"
    with connection.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute(lock)
        try:
            assert store.put(envelopes(source, count=1))
            wait_until(_nobody_waits_for_a_lock, what="the server has given it up too")
        finally:
            cursor.execute("rollback")
    put(store, sent)


def _nobody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like %s",
            ["%automation_webhook_delivery%"],
        )
        (count,) = cursor.fetchone()
    return bool(count == 0)


def test_a_server_that_was_restarted_is_used_again_without_a_failure(
    store: DatabaseStore, servers: RemoteServers
) -> None:
    source = uuid4().hex
    first, second = envelopes(source, count=2)
    put(store, [first])

    servers.postgres.kill()
    servers.postgres.start()
    connection.close()
    store._patience_s = 60.0

    assert store.put([second]) == ()
    assert len(kept(source)) == 2


def test_a_server_that_is_gone_is_taken_up_again_when_it_is_back(store: DatabaseStore, servers: RemoteServers) -> None:
    source = uuid4().hex
    sent = envelopes(source, count=3)
    servers.postgres.kill()

    assert store.put(sent) == sent
    servers.postgres.start()
    connection.close()

    put(store, sent)
    assert len(kept(source)) == 3


def test_the_statement_reads_no_table() -> None:
    sql = statements.read(package="automation", name="inbound.sql")["write_deliveries"]
    params = {
        "ids": [uuid4()],
        "sources": ["a"],
        "received": [1.0],
        "signed": [None],
        "peers": [""],
        "headers": ["{}"],
        "bodies": [b""],
        "keys": [0],
    }

    plan = explain(sql, params)

    assert not [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
