"""Sweeps: one look finds each part that has something to do, and leaves out the others."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.flows.driving import TESTER, begin, call, publish
from workflows import operations, queries, statements
from workflows.core.canary import Rule
from workflows.dispatch import sweeps
from workflows.models import (
    Activation,
    ChildRun,
    DeadLetter,
    Heartbeat,
    Incident,
    Limit,
    Pause,
    PoisonMessage,
    Run,
    Slot,
)

pytestmark = pytest.mark.usefixtures("database")

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def a_run() -> UUID:
    """This will begin a run that nobody works on."""
    return begin({"only": call("noop")})


def _deadline() -> None:
    Run.objects.filter(id=a_run()).update(deadline_at=LONG_AGO)


def _start_time() -> None:
    Activation.objects.filter(run_id=a_run()).update(latest_start_at=LONG_AGO)


def _end_time() -> None:
    Activation.objects.filter(run_id=a_run()).update(latest_end_at=LONG_AGO)


def _heartbeat() -> None:
    Heartbeat.objects.create(
        run_id=uuid4(), step="s", index=-1, activation=0, epoch=1, attempt=1, beaten_at=LONG_AGO, late_at=LONG_AGO
    )


def _message() -> None:
    PoisonMessage.objects.create(
        received_at=LONG_AGO,
        queue="default",
        headers={},
        properties={},
        size_bytes=0,
        refs=[[str(uuid4()), 0, 0]],
        changed_at=LONG_AGO,
    )


def _failure() -> None:
    DeadLetter.objects.create(
        run_id=a_run(), workflow_name="w", step="s", kind="error", message="", attempts=1, created_at=LONG_AGO
    )


def _trial() -> None:
    Incident.objects.create(
        fingerprint=uuid4().hex[:16],
        kind="error",
        state="resolving",
        first_seen_at=LONG_AGO,
        last_seen_at=LONG_AGO,
        opened_at=LONG_AGO,
        changed_at=LONG_AGO,
    )


def _slot() -> None:
    limit = Limit.objects.create(name=uuid4().hex, capacity=1, created_at=LONG_AGO, updated_at=LONG_AGO)
    Slot.objects.create(limit=limit, number=1, holder=0)


def _line() -> None:
    Activation.objects.filter(run_id=a_run()).update(state="waiting", wait_reason="limit", wait_object="a-limit")


def _aside() -> None:
    Activation.objects.filter(run_id=a_run()).update(state="waiting", wait_reason="paused", wait_object="platform")


def _pause() -> None:
    Pause.objects.create(scope="run", name=str(uuid4()), reason="r", paused_by="t", paused_at=LONG_AGO)


def _child(*, order: str = "", is_owed: bool = False) -> None:
    ChildRun.objects.create(
        parent_id=a_run(),
        step="s",
        index=None,
        round=0,
        child_id=a_run(),
        is_own=True,
        depth=1,
        order=order,
        is_owed=is_owed,
        created_at=LONG_AGO,
    )


def _canary() -> None:
    source = {"name": publish({"only": call("noop")}), "steps": {"other": call("noop")}}
    canary = operations.Canary(percent=50, rule=Rule(failed_percent=5, after_runs=10))
    operations.publish(source=orjson.dumps(source).decode(), actor=TESTER, now=timezone.now(), canary=canary)


NEEDS: Mapping[str, tuple[str, Callable[[], None]]] = {
    "a deadline": ("deadlines", _deadline),
    "a time to begin": ("overruns", _start_time),
    "a time to end": ("overruns", _end_time),
    "a heartbeat": ("silence", _heartbeat),
    "an open message": ("messages", _message),
    "a failure not counted": ("incidents", _failure),
    "an incident on trial": ("incidents", _trial),
    "a slot that is held": ("limits", _slot),
    "somebody in line": ("limits", _line),
    "work put aside": ("pauses", _aside),
    "a pause of a run": ("pauses", _pause),
    "a child to cancel": ("children", lambda: _child(order="wanted")),
    "a step owed its child": ("children", lambda: _child(is_owed=True)),
    "a canary with a rule": ("canaries", _canary),
}


@pytest.mark.parametrize("need", sorted(NEEDS))
def test_look_finds_what_a_sweep_is_for(need: str) -> None:
    name, make = NEEDS[need]

    with transaction.atomic():
        make()
        wanted = queries.sweeps_wanted(now=timezone.now())
        transaction.set_rollback(True)

    assert name in wanted


def test_every_part_of_a_sweep_is_looked_for() -> None:
    named = {name for name, _ in NEEDS.values()}

    assert named == sweeps.PARTS.keys()
    assert all(f"'{name}'" in statements.statements()["find_sweeps"] for name in named)


def test_part_without_anything_to_do_is_left_out() -> None:
    with CaptureQueriesContext(connection) as captured:
        sweeps.sweep(now=LONG_AGO - timedelta(days=1))

    assert not [query["sql"] for query in captured.captured_queries if "deadline_at" in query["sql"]]
    assert not [query["sql"] for query in captured.captured_queries if "late_at" in query["sql"]]
