"""Keeps a schedule for each periodic task of django-celery-beat: its timing is theirs, its policies are ours.

A periodic task whose Celery task is `automation.start_workflow` starts a run; any other one is sent as it is.
"""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
import structlog
from celery.schedules import ParseException, crontab_parser
from django.db import IntegrityError, transaction
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks

from audit.events import Actor, ActorKind
from automation.models import Schedule
from automation.schedule.rule import TIMINGS
from automation.scheduling.control import pause_locked
from automation.scheduling.declaring import Wanted, end, plan_again, store

log = structlog.get_logger(__name__)
START_TASK = "automation.start_workflow"
DISABLED = "the periodic task is disabled"
_BEAT = Actor(kind=ActorKind.SYSTEM, id="django-celery-beat")
_OURS = "celery.backend_cleanup"
_FULL_EVERY_S = 60.0
_THEIRS = (*TIMINGS, "timezone", "start", "end")
_RANGES = {"minute": (60, 0), "hour": (24, 0), "day_of_month": (31, 1), "month_of_year": (12, 1), "day_of_week": (7, 0)}


class Sync:
    """Sees that periodic tasks have changed, by the stamp that django-celery-beat keeps; once a minute without it."""

    def __init__(self) -> None:
        self._stamp: datetime | None = None
        self._at = float("-inf")

    def look(self, *, now: datetime) -> int:
        """This will bring schedules up to date if anything has changed; gives how many have."""
        stamp = PeriodicTasks.last_change()
        if stamp == self._stamp and time.monotonic() - self._at < _FULL_EVERY_S:
            return 0
        self._stamp, self._at = stamp, time.monotonic()
        return synchronise(now=now)


def synchronise(*, now: datetime) -> int:
    """This will have one schedule for each periodic task that can be due; gives how many changed."""
    tasks = PeriodicTask.objects.select_related("crontab", "interval", "clocked", "solar").exclude(name=_OURS)
    changed, seen = 0, set()
    for task in tasks.order_by("id"):
        seen.add(task.pk)
        try:
            changed += _follow(task, now=now)
        except (ValueError, ParseException, IntegrityError) as error:
            log.warning("periodic_task_unreadable", task=task.name, reason=str(error))
    rows = Schedule.objects.filter(source=Schedule.PERIODIC, ended_at=None, periodic_task_id__isnull=False)
    for schedule in rows.exclude(periodic_task_id__in=seen):
        with transaction.atomic():
            end(Schedule.objects.select_for_update().get(id=schedule.pk), actor=_BEAT, now=now)
        changed += 1
    return changed


def _follow(task: PeriodicTask, *, now: datetime) -> bool:
    name = f"periodic:{task.name}"
    with transaction.atomic():
        known = Schedule.objects.select_for_update().filter(periodic_task_id=task.pk).first()
        if known is not None and known.name != name:
            known.name = name
            known.save(update_fields=["name"])
        if known is None and not task.enabled:
            return False
        before = None if known is None else (known.revision, known.paused_at)
        workflow, value = _target(task)
        policies = {} if known is None else {key: one for key, one in known.rule.items() if key not in _THEIRS}
        wanted = Wanted(
            name=name,
            source=Schedule.PERIODIC,
            workflow=workflow,
            input=value,
            rule={"overlap": "allow", **policies, **timing_of(task)},
            periodic_task_id=task.pk,
        )
        schedule, _ = store(wanted, actor=_BEAT, now=now)
        _switch(schedule, is_enabled=task.enabled, now=now)
    return before != (schedule.revision, schedule.paused_at)


def _switch(schedule: Schedule, *, is_enabled: bool, now: datetime) -> None:
    if not is_enabled:
        pause_locked(schedule, DISABLED, actor=_BEAT, now=now)
    elif schedule.paused_reason == DISABLED:
        schedule.paused_at, schedule.paused_by, schedule.paused_reason, schedule.last_due_at = None, "", "", now
        plan_again(schedule)
        schedule.save()


def _target(task: PeriodicTask) -> tuple[str, Any]:  # Any: JSON
    if task.task != START_TASK:
        return "", None
    given = orjson.loads(task.kwargs or "{}")
    if not isinstance(given.get("workflow"), str):
        raise ValueError(f'the keyword arguments of {START_TASK} must name a workflow: {{"workflow": "nightly"}}')
    return given["workflow"], given.get("input")


def timing_of(task: PeriodicTask) -> Mapping[str, Any]:  # Any: JSON
    """This will give the timing of a periodic task as the document of a schedule has it. Raises ValueError."""
    more: dict[str, Any] = {}
    if task.expires is not None:
        more["end"] = task.expires.isoformat()
    if task.start_time is not None:
        more["start"] = task.start_time.isoformat()
    if task.crontab is not None:
        return {"crontab": _crontab(task.crontab), "timezone": str(task.crontab.timezone), **more}
    if task.interval is not None:
        seconds = task.interval.schedule.run_every.total_seconds()
        if seconds < 1:
            raise ValueError("an interval must be at least one second")
        return {"every": seconds, **more}
    if task.clocked is not None:
        return {"at": [task.clocked.clocked_time.isoformat()], **more}
    if task.solar is not None:
        sun = task.solar
        place = {"latitude": float(sun.latitude), "longitude": float(sun.longitude)}
        return {"solar": {"event": sun.event, **place}, **more}
    raise ValueError("it has no schedule")


def _crontab(row: CrontabSchedule) -> Mapping[str, list[int]]:
    return {
        field: sorted(crontab_parser(count, least).parse(str(getattr(row, field)).replace(" ", "")))
        for field, (count, least) in _RANGES.items()
    }
