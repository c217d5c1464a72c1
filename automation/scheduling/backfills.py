"""Makes up for due times of the past: what a backfill would do, its start and its stop. The loop does the work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, EventKind
from automation.errors import BackfillEnded, ScheduleInvalid, UnknownBackfill
from automation.models import Backfill, Fire, Schedule
from automation.schedule.backfill import Order, Reprocess, is_wanted
from automation.schedule.decide import exclusion
from automation.schedule.preview import due_times
from automation.schedule_queries import days_off, rule_of
from automation.scheduling.trail import event
from workflows.core.problems import Problem

MOST = 10_000
MOST_PARALLEL = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillWish:
    """What is asked for: due times after `starts_at` up to and including `ends_at`."""

    starts_at: datetime
    ends_at: datetime
    order: Order = Order.FORWARD
    parallel: int = 1
    reprocess: Reprocess = Reprocess.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillPlan:
    """What it comes to: due times to do, in order, and those that have a fire already and are left alone."""

    dues: Sequence[datetime]
    left_alone: Sequence[datetime]
    excluded: Sequence[datetime]


def plan_backfill(*, schedule: Schedule, wish: BackfillWish, now: datetime) -> BackfillPlan:
    """This will list what a backfill would do, and change nothing. Raises ScheduleInvalid."""
    _check(wish, now=now)
    rule = rule_of(schedule)
    calendars = list(days_off(rule.calendars).values())
    found = list(islice(due_times(rule, after=wish.starts_at, until=wish.ends_at), MOST + 1))
    if len(found) > MOST:
        hint = f"the first {MOST} end at {found[MOST - 1].isoformat()}"
        raise ScheduleInvalid([Problem("$.end", f"there are more than {MOST} due times in this range", hint)])
    states = _states(schedule, wish=wish)
    off = {one for one in found if exclusion(rule, due_at=one, days_off=calendars) is not None}
    dues = [one for one in found if one not in off and is_wanted(states.get(one), reprocess=wish.reprocess)]
    return BackfillPlan(
        dues=dues if wish.order is Order.FORWARD else dues[::-1],
        left_alone=[one for one in found if one not in off and one not in set(dues)],
        excluded=sorted(off),
    )


def start_backfill(*, schedule: Schedule, wish: BackfillWish, actor: Actor, now: datetime) -> Backfill:
    """This will begin a backfill, with the due times it has now. Raises ScheduleInvalid."""
    plan = plan_backfill(schedule=schedule, wish=wish, now=now)
    with transaction.atomic():
        backfill = Backfill.objects.create(
            schedule_id=schedule.pk,
            starts_at=wish.starts_at,
            ends_at=wish.ends_at,
            order=wish.order,
            parallel=wish.parallel,
            reprocess=wish.reprocess,
            dues=[due.isoformat() for due in plan.dues],
            state=Backfill.RUNNING,
            created_at=now,
            created_by=str(actor),
        )
        payload: dict[str, Any] = {
            "backfill": backfill.pk,
            "dues": len(plan.dues),
            "order": wish.order,
            "reprocess": wish.reprocess,
        }
        audit.record(event(EventKind.BACKFILL_STARTED, name=schedule.name, actor=actor, now=now, **payload))
    return backfill


def stop_backfill(*, backfill_id: int, actor: Actor, now: datetime) -> Backfill:
    """This will have it begin nothing more; runs under way go on. Raises UnknownBackfill, BackfillEnded."""
    with transaction.atomic():
        backfill = Backfill.objects.select_for_update().filter(id=backfill_id).first()
        if backfill is None:
            raise UnknownBackfill(backfill_id)
        if backfill.state == Backfill.STOPPED:
            return backfill
        if backfill.state != Backfill.RUNNING:
            raise BackfillEnded(backfill_id=backfill_id, state=backfill.state)
        backfill.state, backfill.ended_at = Backfill.STOPPED, now
        backfill.save(update_fields=["state", "ended_at"])
        name = Schedule.objects.values_list("name", flat=True).get(id=backfill.schedule_id)
        payload: dict[str, Any] = {"backfill": backfill.pk, "position": backfill.position}
        audit.record(event(EventKind.BACKFILL_STOPPED, name=name, actor=actor, now=now, **payload))
    return backfill


def _check(wish: BackfillWish, *, now: datetime) -> None:
    problems: list[Problem] = []
    if wish.ends_at < wish.starts_at:
        problems.append(Problem("$.end", "the range ends before it begins"))
    if wish.ends_at > now:
        problems.append(Problem("$.end", "the range ends in the future", "what is to come the schedule does itself"))
    if not 1 <= wish.parallel <= MOST_PARALLEL:
        problems.append(Problem("$.parallel", f"must be 1 to {MOST_PARALLEL}"))
    if problems:
        raise ScheduleInvalid(problems)


def _states(schedule: Schedule, *, wish: BackfillWish) -> Mapping[datetime, tuple[str, str]]:
    rows = Fire.objects.filter(schedule_id=schedule.pk, due_at__gt=wish.starts_at, due_at__lte=wish.ends_at)
    return {due_at: (state, run_state) for due_at, state, run_state in rows.values_list("due_at", "state", "run_state")}
