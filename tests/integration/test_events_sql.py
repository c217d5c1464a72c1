"""The statements of events as the database plans them: who waits, and what came, is found by index in full tables."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from tests.support.plans import explain, nodes
from workflows import statements
from workflows.event_models import EventWaitState
from workflows.models import Event, EventWait

pytestmark = pytest.mark.usefixtures("full_tables")
ROWS = 5_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATEMENTS = statements.read(package="workflows", name="events.sql")
MARK = uuid4().hex


@pytest.fixture(scope="module")
def full_tables(database: None) -> Iterator[None]:
    """This will be thousands of events, and of waits most of which are over, analysed, and undone at the end."""
    with transaction.atomic():
        Event.objects.bulk_create(
            Event(
                id=UUID(int=number + 1),
                event_id=str(number),
                source=MARK,
                type="paid",
                key=f"{MARK}-{number % 1000}",
                published_by="system:test",
                received_at=NOW,
                expires_at=NOW + timedelta(seconds=number),
            )
            for number in range(ROWS)
        )
        EventWait.objects.bulk_create(
            EventWait(
                run_id=uuid4(),
                workflow_name="full",
                step="paid",
                type="paid",
                key=f"{MARK}-{number % 1000}",
                state=EventWaitState.WAITING if number % 2 else EventWaitState.CLOSED,
                since=NOW,
            )
            for number in range(ROWS)
        )
        with connection.cursor() as cursor:
            cursor.execute("analyze workflows_event, workflows_eventwait")
        yield
        transaction.set_rollback(True)


def test_who_waits_is_found_by_the_index_of_open_waits() -> None:
    params = {"types": ["paid"] * 3, "keys": [f"{MARK}-{n}" for n in range(3)]}

    found = list(nodes(explain(STATEMENTS["find_event_waits"], params)))

    assert "event_wait_open" in {node.get("Index Name") for node in found}
    assert not [node for node in found if node["Node Type"] == "Seq Scan"]


def test_what_came_is_found_by_the_index_of_types_and_keys() -> None:
    events = Event.objects.filter(type="paid", key=f"{MARK}-7", expires_at__gt=NOW, received_at__lt=NOW)
    query, params = events.order_by("received_at", "id").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"explain (format text) {query}", params)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "type" in plan
    assert "Index" in plan
    assert not [line for line in plan.splitlines() if "Seq Scan on workflows_event_earlier" in line]
