"""Reads of schedules, fires, calendars and backfills; they change nothing."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import orjson
from django.db.models import Max, Q, QuerySet, Subquery
from django.db.models.expressions import OuterRef
from django.db.models.functions import JSONObject

from automation.errors import UnknownBackfill, UnknownCalendar, UnknownSchedule
from automation.models import Backfill, DayCalendar, Fire, Schedule
from automation.schedule.decide import Cause, FireState
from automation.schedule.exclusions import DaysOff, read_days_off
from automation.schedule.preview import Upcoming, next_fires
from automation.schedule.rule import Rule, read_rule
from workflows import queries as workflows
from workflows.core.states import RunState

MISSED_AFTER = timedelta(seconds=30)
"""A due time that nobody has recorded so long after its time is an alarm."""


_ENDED = frozenset({RunState.SUCCEEDED.value, RunState.FAILED.value, RunState.CANCELLED.value, ""})
"""How runs stand that are not under way; without a state they are gone."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A due time that passed without a fire."""

    schedule_id: int
    name: str
    due_at: datetime


def rule_of(schedule: Schedule) -> Rule:
    """This will give a schedule's rule; it is read once for each revision."""
    anchor = schedule.created_at.replace(microsecond=0)
    return _rule(schedule.pk, schedule.revision, orjson.dumps(schedule.rule), anchor)


@lru_cache(maxsize=8192)
def _rule(_schedule_id: int, _revision: int, document: bytes, anchor: datetime) -> Rule:
    return read_rule(orjson.loads(document), anchor=anchor)


def seed_of(schedule: Schedule) -> str:
    """This will give what the jitter of a schedule depends on."""
    return schedule.name


def days_off(names: Collection[str]) -> Mapping[str, DaysOff]:
    """This will read calendars by their names; one that does not exist is left out."""
    if not names:
        return {}
    rows = DayCalendar.objects.filter(name__in=names).order_by("name")
    return {row.name: read_days_off(row.days, name=row.name) for row in rows}


def preview(schedule: Schedule, *, now: datetime, count: int = 10) -> Sequence[Upcoming]:
    """This will give the next due times of a schedule, with what is special about each."""
    if schedule.ended_at is not None:
        return []
    rule = rule_of(schedule)
    after = max(now, schedule.last_due_at) if schedule.last_due_at is not None else now
    calendars = list(days_off(rule.calendars).values())
    return next_fires(rule, after=after, seed=seed_of(schedule), count=count, days_off=calendars)


def get_schedule(wanted: int | str) -> Schedule:
    """This will find a schedule by its number or its name. Raises UnknownSchedule."""
    rows = Schedule.objects.all()
    text = str(wanted)
    is_number = text.isdecimal() and len(text) < 19
    found = rows.filter(id=int(text)).first() if is_number else rows.filter(name=text).first()
    if found is None:
        raise UnknownSchedule(text)
    return found


def schedules(*, workflow: str | None = None, with_ended: bool = False) -> QuerySet[Schedule]:
    """This will select schedules by name."""
    rows = Schedule.objects.all() if with_ended else Schedule.objects.filter(ended_at=None)
    return (rows if workflow is None else rows.filter(workflow=workflow)).order_by("name")


def fires_of(schedule: Schedule) -> QuerySet[Fire]:
    """This will select the fires of a schedule, the latest due time first."""
    return Fire.objects.filter(schedule_id=schedule.pk).order_by("-due_at")


def latest_fires(schedules: Collection[Schedule]) -> Mapping[int, Fire]:
    """This will give the latest fire of each schedule that has one."""
    ids = [schedule.pk for schedule in schedules]
    rows = Fire.objects.filter(schedule_id__in=ids).order_by("schedule_id", "-due_at").distinct("schedule_id")
    return {row.schedule_id: row for row in rows}


def with_latest_fire(rows: QuerySet[Schedule]) -> QuerySet[Schedule]:
    """This will add to schedules `latest`: state, due_at, fire_at and recorded_at of the latest fire, in one query."""
    fields = JSONObject(state="state", due_at="due_at", fire_at="fire_at", recorded_at="recorded_at")
    fires = Fire.objects.filter(schedule_id=OuterRef("pk")).order_by("-due_at").values(found=fields)[:1]
    return rows.annotate(latest=Subquery(fires))


def runs_under_way(schedule_ids: Sequence[int]) -> Mapping[int, Sequence[UUID]]:
    """This will give the runs of schedules that have not ended, the earliest first; those of backfills do not count.

    What fires say is asked again: a run may have ended since.
    """
    found: dict[int, list[UUID]] = defaultdict(list)
    if not schedule_ids:
        return found
    rows = Fire.objects.filter(schedule_id__in=schedule_ids, run_state=RunState.RUNNING, run_id__isnull=False)
    pairs = list(rows.exclude(cause=Cause.BACKFILL).order_by("id").values_list("schedule_id", "run_id"))
    states = workflows.states_of(run_ids=[run_id for _, run_id in pairs if run_id is not None])
    for schedule_id, run_id in pairs:
        if run_id is not None and states.get(run_id, "") not in _ENDED:
            found[schedule_id].append(run_id)
    return found


def latest_dues(*, names: Collection[str]) -> Mapping[str, datetime]:
    """This will give the latest due time that has passed of each of these workflows that has schedules in force."""
    rows = Schedule.objects.filter(workflow__in=names, ended_at=None, paused_at=None, last_due_at__isnull=False)
    found = rows.order_by("workflow").values_list("workflow").annotate(Max("last_due_at"))
    return {workflow: due_at for workflow, due_at in found if due_at is not None}


def calendars() -> QuerySet[DayCalendar]:
    """This will select all calendars by name."""
    return DayCalendar.objects.order_by("name")


def get_calendar(name: str) -> DayCalendar:
    """This will read a calendar. Raises UnknownCalendar."""
    found = DayCalendar.objects.filter(name=name).first()
    if found is None:
        raise UnknownCalendar(name)
    return found


def backfills_of(schedule: Schedule) -> QuerySet[Backfill]:
    """This will select the backfills of a schedule, the newest first."""
    return Backfill.objects.filter(schedule_id=schedule.pk).order_by("-id")


def get_backfill(backfill_id: int) -> Backfill:
    """This will read a backfill. Raises UnknownBackfill."""
    found = Backfill.objects.filter(id=backfill_id).first()
    if found is None:
        raise UnknownBackfill(backfill_id)
    return found


def missed_fires(*, now: datetime, after: timedelta = MISSED_AFTER, most: int = 100) -> Sequence[Missed]:
    """This will give due times that passed longer ago than `after` and have no fire, the oldest first."""
    rows = Schedule.objects.filter(next_fire_at__lt=now - after).order_by("next_fire_at")
    return [Missed(row.pk, row.name, row.next_due_at) for row in rows[:most] if row.next_due_at is not None]


def is_work_left(*, now: datetime, after: timedelta) -> bool:
    """This will tell whether a fire came to nothing, or a schedule has no plan, for longer than `after`."""
    before = now - after
    if Fire.objects.filter(state=FireState.DUE, fire_at__lt=before, recorded_at__lt=before).exists():
        return True
    unplanned = Schedule.objects.filter(is_planned=False, paused_at=None, ended_at=None)
    return unplanned.filter(Q(last_due_at__lt=before) | Q(last_due_at=None, created_at__lt=before)).exists()
