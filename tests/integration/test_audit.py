"""The audit trail on a real PostgreSQL: written with its change, never altered, and proven."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import orjson
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.utils import ProgrammingError
from django.test import Client

from audit import operations, queries, verify
from audit.events import Actor, ActorKind, Event, EventKind, encode
from audit.models import AuditEvent

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("rolled_back")

RUN = f"run-{uuid4()}"


@pytest.fixture
def rolled_back(database: None) -> Iterator[None]:
    """This will undo what the test wrote, which nobody may delete."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def rows() -> QuerySet[AuditEvent]:
    """This will be the events of this module's run, in their order."""
    return queries.events_for(RUN)


def event(*, minute: int = 0) -> Event:
    """This will make one event of a run, `minute` minutes after noon."""
    return Event(
        kind=EventKind.STEP_SUCCEEDED,
        actor=Actor(kind=ActorKind.ENGINE, id="w1"),
        subject_type="run",
        subject_id=RUN,
        correlation_id="order-9",
        at=NOON + timedelta(minutes=minute),
        payload={"step": "charge", "note": 'quote " backslash \\ NUL \0 and é', "attempt": 1},
    )


def execute(sql: str, *parameters: str | int) -> object:
    """This will run one statement in a savepoint and return its first value, if it has one."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def test_record_stores_every_field_as_it_was_encoded() -> None:
    recorded = operations.record(event())

    row = rows().get()
    expected = encode(event())
    assert recorded == 1
    assert row.at == NOON
    assert (row.kind, row.actor, row.subject_type) == ("step.succeeded", "engine:w1", "run")
    assert (row.subject_id, row.correlation_id) == (RUN, "order-9")
    assert row.payload == expected["payload"]
    assert bytes(row.digest).hex() == expected["digest"]


def test_record_keeps_the_order_of_its_events_and_says_how_many() -> None:
    recorded = operations.record(*(event(minute=minute) for minute in range(50)))

    assert recorded == 50
    assert [row.at for row in rows()] == [NOON + timedelta(minutes=m) for m in range(50)]


def test_record_leaves_nothing_when_the_change_is_rolled_back() -> None:
    with transaction.atomic():
        operations.record(event())
        transaction.set_rollback(True)

    assert not rows().exists()


def test_audit_record_writes_the_same_row_inside_a_statement_of_another_app() -> None:
    encoded = orjson.dumps([encode(event()), encode(event(minute=1))]).decode()

    count = execute("with change as (select 1) select audit_record(%s::jsonb) from change", encoded)

    assert count == 2
    assert list(verify.verify(rows())) == []


def test_audit_record_is_not_called_when_the_change_found_no_row() -> None:
    encoded = orjson.dumps([encode(event())]).decode()

    execute("with change as (select 1 where false) select audit_record(%s::jsonb) from change", encoded)

    assert not rows().exists()


def test_audit_record_takes_the_empty_aggregate_of_no_change_for_no_events() -> None:
    assert execute("select audit_record(jsonb_agg(value)) from generate_series(1, 0) as value") == 0
    assert execute("select audit_record('[]')") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_event set actor = 'user:1'",
        "update audit_event set actor = 'user:1' where false",
        "delete from audit_event",
        "truncate audit_event",
    ],
)
def test_database_refuses_to_change_the_trail(statement: str) -> None:
    operations.record(event())

    with pytest.raises(ProgrammingError, match=r"audit_event is append-only: [A-Z]+ refused"):
        execute(statement)

    assert rows().get().actor == "engine:w1"


@pytest.mark.parametrize(
    "assignment",
    [
        "at = at + interval '1 microsecond'",
        "kind = 'step.failed'",
        "actor = 'user:1'",
        "subject_type = 'step'",
        "subject_id = 'run-2'",
        "correlation_id = 'order-8'",
        "payload = payload || ' '",
        "digest = sha256('other')",
    ],
)
def test_verify_names_exactly_the_changed_event_when_somebody_got_past_the_trigger(assignment: str) -> None:
    operations.record(event(), event(minute=1), event(minute=2))
    victim = rows()[1].pk
    execute("alter table audit_event disable trigger audit_event_append_only")

    execute(f"update audit_event set {assignment} where id = %s", victim)

    assert list(verify.verify(queries.walk())) == [victim]


def test_page_continues_after_an_id_in_the_order_of_ids() -> None:
    operations.record(*(event(minute=minute) for minute in range(5)))
    ids = [row.id for row in rows()]

    assert [row.id for row in queries.page(after_id=ids[1], limit=2)] == ids[2:4]
    assert [row.id for row in queries.walk(after_id=ids[0] - 1, size=2) if row.subject_id == RUN] == ids


def test_events_for_reads_by_the_index_of_subjects() -> None:
    execute("set local enable_seqscan = off")
    execute("set local enable_bitmapscan = off")

    plan = queries.events_for(RUN).explain()

    scans = [line for line in plan.splitlines() if "Scan" in line]
    assert plan.startswith("Merge Append")  # each month gives its events in their order
    assert scans
    assert all("Index Scan using audit_event" in line and "_subject" in line for line in scans)


def test_admin_shows_an_event_and_offers_no_change() -> None:
    client = Client()
    operations.record(event())
    row = rows().get()
    client.force_login(User.objects.create_superuser(username=f"auditor-{uuid4()}"))

    listing = client.get("/admin/audit/auditevent/", {"q": RUN}, secure=True)
    detail = client.get(f"/admin/audit/auditevent/{row.pk}/change/", secure=True)

    assert "order-9" in listing.content.decode()
    assert bytes(row.digest).hex() in detail.content.decode()
    for path in (f"{row.pk}/delete/", "add/"):
        assert client.post(f"/admin/audit/auditevent/{path}", {"post": "yes"}, secure=True).status_code == 403
