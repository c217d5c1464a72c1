"""Finds the next due time of schedules that need one, and writes down those that passed while nobody looked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, takewhile

import structlog
from django.db import transaction

from automation import schedule_store
from automation.models import Schedule
from automation.schedule.decide import Cause
from automation.schedule.preview import due_times
from automation.schedule.rule import ON_TIME, Rule
from automation.schedule_queries import rule_of, seed_of
from automation.schedule_store import NewFire, PlanRow

log = structlog.get_logger(__name__)
_BATCH = 200
_MISSED_BATCH = 200


@dataclass(frozen=True, slots=True)
class _Planned:
    row: PlanRow
    missed: Sequence[NewFire] = field(default=())


def plan(*, now: datetime, recorded_at: datetime | None = None) -> int:
    """This will plan schedules that are not planned, at most 200; gives how many."""
    rows = list(Schedule.objects.filter(is_planned=False, paused_at=None, ended_at=None).order_by("id")[:_BATCH])
    planned = [one for one in (_safely_planned(row, now=now, recorded_at=recorded_at) for row in rows) if one]
    if planned:
        with transaction.atomic():
            stored = set(schedule_store.plan_schedules([one.row for one in planned]))
            missed = [fire for one in planned if one.row["id"] in stored for fire in one.missed]
            if missed:
                schedule_store.insert_fires(missed)
    return len(planned)


def _safely_planned(schedule: Schedule, *, now: datetime, recorded_at: datetime | None) -> _Planned | None:
    """One that this release cannot read holds up no other: it is looked at again when it changes."""
    try:
        return _planned(schedule, now=now, recorded_at=recorded_at)
    except Exception:  # whatever is wrong with it, the others must go on
        log.exception("schedule_unreadable", schedule=schedule.name)
        return _Planned(_row(schedule, last_due_at=schedule.last_due_at, next_due_at=None, next_fire_at=None))


def _planned(schedule: Schedule, *, now: datetime, recorded_at: datetime | None) -> _Planned:
    rule = rule_of(schedule)
    after = schedule.last_due_at or schedule.created_at
    missed: list[NewFire] = []
    if now - after > ON_TIME:
        horizon = now - ON_TIME
        if after < now - rule.window:
            missed += _earliest(
                schedule, rule=rule, after=after, until=now - rule.window, recorded_at=recorded_at or now
            )
            after = now - rule.window
        passed = takewhile(lambda due: due < horizon, due_times(rule, after=after))
        found = list(islice(passed, _MISSED_BATCH))
        missed += [_fire(schedule, rule=rule, due_at=due, recorded_at=recorded_at or now) for due in found]
        after = found[-1] if found else after
        if len(found) == _MISSED_BATCH:
            row = _row(schedule, last_due_at=after, next_due_at=None, next_fire_at=None, is_planned=False)
            return _Planned(row, missed)
    due_at = rule.next_after(after)
    fire_at = None if due_at is None else rule.fire_at(due_at, seed=seed_of(schedule))
    is_done = due_at is None and schedule.periodic_task_id is None and rule.ends_at is not None and rule.ends_at < now
    last_due_at = after if missed else schedule.last_due_at
    row = _row(schedule, last_due_at=last_due_at, next_due_at=due_at, next_fire_at=fire_at, is_done=is_done)
    return _Planned(row, missed)


def _earliest(
    schedule: Schedule, *, rule: Rule, after: datetime, until: datetime, recorded_at: datetime
) -> Sequence[NewFire]:
    """What is past its window is worth one row that says so, not one for each."""
    due_at = rule.next_after(after)
    if due_at is None or due_at > until:
        return []
    return [_fire(schedule, rule=rule, due_at=due_at, recorded_at=recorded_at)]


def _fire(schedule: Schedule, *, rule: Rule, due_at: datetime, recorded_at: datetime) -> NewFire:
    return {
        "schedule_id": schedule.pk,
        "due_at": due_at,
        "fire_at": rule.fire_at(due_at, seed=seed_of(schedule)),
        "recorded_at": recorded_at,
        "cause": Cause.SCHEDULE,
        "backfill_id": None,
    }


def _row(
    schedule: Schedule,
    *,
    last_due_at: datetime | None,
    next_due_at: datetime | None,
    next_fire_at: datetime | None,
    is_planned: bool = True,
    is_done: bool = False,
) -> PlanRow:
    return {
        "id": schedule.pk,
        "revision": schedule.revision,
        "planned_from": schedule.last_due_at,
        "last_due_at": last_due_at,
        "next_due_at": next_due_at,
        "next_fire_at": next_fire_at,
        "is_planned": is_planned,
        "is_done": is_done,
    }
