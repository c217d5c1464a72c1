"""Sees how the runs of schedules have ended: counts failures, pauses after too many, releases what was buffered."""

from collections.abc import Sequence
from datetime import datetime

import structlog
from django.db import transaction

from audit import operations as audit
from audit.events import Actor, ActorKind, EventKind
from automation import schedule_store
from automation.models import Fire, Schedule
from automation.schedule.decide import Cause
from automation.schedule_queries import Missed, missed_fires, rule_of
from automation.scheduling.control import pause_locked
from automation.scheduling.trail import event
from workflows import queries as workflows
from workflows.core.states import RunState

log = structlog.get_logger(__name__)
_ENGINE = Actor(kind=ActorKind.ENGINE)
_BATCH = 500
GONE = "gone"
ENDED = frozenset({RunState.SUCCEEDED.value, RunState.FAILED.value, RunState.CANCELLED.value, GONE})
"""Whatever else a run may be in between, it is under way."""


class Watcher:
    """Walks over the fires whose runs are under way, a part at each look, so that long runs hide no short ones."""

    def __init__(self) -> None:
        self._after = 0

    def look(self, *, now: datetime) -> int:
        """This will settle what has ended and release what waited for it; gives how many runs have ended."""
        rows = Fire.objects.filter(run_state=RunState.RUNNING, id__gt=self._after).order_by("id")[:_BATCH]
        fires = list(rows)
        self._after = fires[-1].pk if len(fires) == _BATCH else 0
        ended = note_ends(fires, now=now)
        schedule_store.release_buffered()
        return ended


def note_ends(fires: Sequence[Fire], *, now: datetime) -> int:
    """This will write down how runs have ended, and pause schedules whose runs fail again and again."""
    states = workflows.states_of(run_ids=[fire.run_id for fire in fires if fire.run_id is not None])
    ended = 0
    for fire in fires:
        state = states.get(fire.run_id, GONE) if fire.run_id is not None else GONE
        if state in ENDED:
            ended += _note_end(fire, state=state, now=now)
    return ended


def _note_end(fire: Fire, *, state: str, now: datetime) -> bool:
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update(no_key=True).filter(id=fire.schedule_id).first()
        unnoted = Fire.objects.filter(id=fire.pk, run_id=fire.run_id, run_state=RunState.RUNNING)
        if not unnoted.update(run_state=state):
            return False
        if schedule is not None and fire.cause != Cause.BACKFILL and state in (RunState.FAILED, RunState.SUCCEEDED):
            _count(schedule, has_failed=state == RunState.FAILED, now=now)
    return True


def _count(schedule: Schedule, *, has_failed: bool, now: datetime) -> None:
    failures = schedule.failures + 1 if has_failed else 0
    if failures != schedule.failures:
        schedule.failures = failures
        schedule.save(update_fields=["failures"])
    most = rule_of(schedule).pause_after
    if most is not None and failures >= most:
        log.warning("schedule_paused", schedule=schedule.name, failures=failures)
        pause_locked(schedule, f"{failures} runs in a row failed", actor=_ENGINE, now=now)


def raise_alarms(*, now: datetime) -> Sequence[Missed]:
    """This will tell of due times that nobody recorded, each once: in the log and in the audit trail."""
    found = [one for one in missed_fires(now=now) if _raise_alarm(one, now=now)]
    for one in found:
        log.error("schedule_missed", schedule=one.name, due_at=one.due_at.isoformat())
    return found


def _raise_alarm(missed: Missed, *, now: datetime) -> bool:
    with transaction.atomic():
        rows = Schedule.objects.filter(id=missed.schedule_id, next_due_at=missed.due_at)
        if not rows.exclude(alarmed_due_at=missed.due_at).update(alarmed_due_at=missed.due_at):
            return False
        due_at = missed.due_at.isoformat()
        audit.record(event(EventKind.SCHEDULE_MISSED, name=missed.name, actor=_ENGINE, now=now, due_at=due_at))
    return True
