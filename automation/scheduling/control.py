"""Pauses, resumes and triggers schedules."""

from datetime import datetime

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, EventKind
from automation import schedule_store
from automation.models import Fire, Schedule
from automation.schedule.decide import Cause
from automation.scheduling.declaring import plan_again, stop_planning
from automation.scheduling.trail import event


def pause(*, schedule: Schedule, reason: str, actor: Actor, now: datetime) -> Schedule:
    """This will have nothing be due until it is resumed; pausing it again changes nothing."""
    with transaction.atomic():
        return pause_locked(Schedule.objects.select_for_update().get(id=schedule.pk), reason, actor=actor, now=now)


def pause_locked(schedule: Schedule, reason: str, *, actor: Actor, now: datetime) -> Schedule:
    """This will pause a locked schedule inside the caller's transaction."""
    if schedule.paused_at is not None or schedule.ended_at is not None:
        return schedule
    schedule.paused_at, schedule.paused_by, schedule.paused_reason = now, str(actor), reason[:500]
    stop_planning(schedule)
    schedule.save()
    audit.record(event(EventKind.SCHEDULE_PAUSED, name=schedule.name, actor=actor, now=now, reason=reason[:500]))
    return schedule


def resume(*, schedule: Schedule, actor: Actor, now: datetime) -> Schedule:
    """This will have it be due again from now on: what fell into the pause is left to a backfill."""
    with transaction.atomic():
        locked = Schedule.objects.select_for_update().get(id=schedule.pk)
        if locked.paused_at is None:
            return locked
        locked.paused_at, locked.paused_by, locked.paused_reason, locked.failures = None, "", "", 0
        locked.last_due_at = now
        plan_again(locked)
        locked.save()
        audit.record(event(EventKind.SCHEDULE_RESUMED, name=locked.name, actor=actor, now=now))
    return locked


def trigger(*, schedule: Schedule, actor: Actor, now: datetime) -> Fire:
    """This will have it fire now, paused or not: the same instant again gives the same fire."""
    with transaction.atomic():
        row: schedule_store.NewFire = {
            "schedule_id": schedule.pk,
            "due_at": now,
            "fire_at": now,
            "recorded_at": None,
            "cause": Cause.BY_HAND,
            "backfill_id": None,
        }
        if schedule_store.insert_fires([row]):
            due_at = now.isoformat()
            kind = EventKind.SCHEDULE_TRIGGERED
            audit.record(event(kind, name=schedule.name, actor=actor, now=now, due_at=due_at))
        return Fire.objects.get(schedule_id=schedule.pk, due_at=now)
