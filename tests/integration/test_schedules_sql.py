"""The statements of schedules as the database plans them: by index, with thousands of schedules and fires."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources

import orjson
import pytest
from django.db import connection, transaction

from automation.models import Fire, Schedule
from tests.support.plans import explain, nodes
from workflows import statements

pytestmark = pytest.mark.usefixtures("full_tables")
STATEMENTS = statements.read(package="automation", name="schedules.sql")
ROWS = 5_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def full_tables(database: None) -> Iterator[None]:
    """This will be thousands of schedules with a fire each, analysed, and undone at the end."""
    with transaction.atomic():
        Schedule.objects.bulk_create(
            Schedule(
                id=10**9 + number,
                name=f"full-{number}",
                source="user",
                workflow="full",
                rule={"every": "1h"},
                next_due_at=NOW + timedelta(seconds=number),
                next_fire_at=NOW + timedelta(seconds=number),
                is_planned=number % 100 > 0,
                created_at=NOW,
                created_by="system:test",
            )
            for number in range(ROWS)
        )
        Fire.objects.bulk_create(
            Fire(
                schedule_id=10**9 + number,
                due_at=NOW,
                fire_at=NOW,
                recorded_at=NOW,
                cause="schedule",
                state=("started", "buffered", "due")[number % 3],
                run_state="running" if number % 3 == 0 else "",
            )
            for number in range(ROWS)
        )
        with connection.cursor() as cursor:
            cursor.execute("analyze automation_schedule, automation_fire")
            cursor.execute("set local plan_cache_mode = force_generic_plan")
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_statement_reads_no_table_as_a_whole(name: str) -> None:
    plan = explain(STATEMENTS[name], arguments()[name])

    scanned = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
    assert not scanned & {"automation_schedule", "automation_fire"}, orjson.dumps(plan).decode()


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_statement_says_why_it_exists(name: str) -> None:
    text = resources.files("automation").joinpath("schedules.sql").read_text()

    assert re.search(rf"^-- name: {name}\n-- \w+", text, re.MULTILINE)


def arguments() -> Mapping[str, Mapping[str, object]]:
    """This will give arguments for each statement."""
    plan = {"id": 10**9, "revision": 0, "planned_from": None, "next_due_at": NOW, "is_planned": True, "is_done": False}
    fire = {"schedule_id": 10**9, "due_at": NOW + timedelta(days=1), "fire_at": NOW, "cause": "schedule"}
    ended = {"id": 1, "state": "skipped", "reason": "", "detail": "", "run_id": None, "run_state": ""}
    return {
        "record_fires": {"now": NOW, "recorded_at": NOW, "most": 100},
        "plan_schedules": {"plans": orjson.dumps([plan]).decode()},
        "insert_fires": {"fires": orjson.dumps([fire]).decode()},
        "settle_fires": {"fires": orjson.dumps([ended]).decode()},
        "release_buffered": {},
        "next_fire_s": {"now": NOW},
    }
