"""The statements of schedules as typed functions; it decides nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypedDict

import orjson

from workflows import statements

statements.add_file(package="automation", name="schedules.sql")


class PlanRow(TypedDict):
    """What was planned for a schedule. `planned_from` is the `last_due_at` it was read with."""

    id: int
    revision: int
    planned_from: datetime | None
    last_due_at: datetime | None
    next_due_at: datetime | None
    next_fire_at: datetime | None
    is_planned: bool
    is_done: bool


class NewFire(TypedDict):
    """A fire to write down; `recorded_at` None: now."""

    schedule_id: int
    due_at: datetime
    fire_at: datetime
    recorded_at: datetime | None
    cause: str
    backfill_id: int | None


class EndedFire(TypedDict):
    """What has become of a fire."""

    id: int
    state: str
    reason: str
    detail: str
    run_id: str | None
    run_state: str


class Recorded(NamedTuple):
    """How many schedules were due, and how many of their fires are new."""

    schedules: int
    fires: int


def record_fires(*, now: datetime, recorded_at: datetime | None, most: int) -> Recorded:
    """This will write down all that is due, at most so many."""
    (row,) = statements.run("record_fires", {"now": now, "recorded_at": recorded_at, "most": most})
    return Recorded(*row)


def plan_schedules(plans: Sequence[PlanRow]) -> Sequence[int]:
    """This will store what was planned; gives the schedules that nobody had changed meanwhile."""
    return [row[0] for row in statements.run("plan_schedules", {"plans": _json(plans)})]


def insert_fires(fires: Sequence[NewFire]) -> Sequence[tuple[int, int, datetime]]:
    """This will write fires down; gives (id, schedule, due time) of those that were not there."""
    return [(row[0], row[1], row[2]) for row in statements.run("insert_fires", {"fires": _json(fires)})]


def settle_fires(fires: Sequence[EndedFire]) -> Sequence[int]:
    """This will store what has become of fires; gives those that were still due."""
    return [row[0] for row in statements.run("settle_fires", {"fires": _json(fires)})]


def release_buffered() -> int:
    """This will give buffered fires their turn where nothing runs any more; gives how many."""
    return len(statements.run("release_buffered", {}))


def next_fire_s(*, now: datetime) -> float | None:
    """This will give how long it is until something is due, negative when it is overdue; None: nothing is planned."""
    (row,) = statements.run("next_fire_s", {"now": now})
    return None if row[0] is None else float(row[0])


def _json(rows: Sequence[Any]) -> str:  # Any: rows of any shape
    return orjson.dumps(rows).decode()
