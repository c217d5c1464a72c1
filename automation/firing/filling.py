"""Carries out backfills: keeps as many of each one's runs under way as it may have, in its order."""

from datetime import datetime
from typing import Any

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, ActorKind, EventKind
from automation import schedule_store
from automation.models import Backfill, Fire, Schedule
from automation.schedule.backfill import Reprocess, is_wanted
from automation.schedule.decide import Cause, FireState
from automation.scheduling.trail import event
from workflows.core.states import RunState

_ENGINE = Actor(kind=ActorKind.ENGINE)
_UNDER_WAY = (FireState.DUE, FireState.SENDING, FireState.BUFFERED)
_MOST = 100


def fill(*, now: datetime) -> int:
    """This will have every running backfill go on as far as it may; gives how many fires it made due."""
    ids = Backfill.objects.filter(state=Backfill.RUNNING).order_by("id").values_list("id", flat=True)
    return sum(_go_on(backfill_id, now=now) for backfill_id in list(ids[:_MOST]))


def _go_on(backfill_id: int, *, now: datetime) -> int:
    with transaction.atomic():
        rows = Backfill.objects.select_for_update(skip_locked=True)
        backfill = rows.filter(id=backfill_id, state=Backfill.RUNNING).first()
        if backfill is None:
            return 0
        fires = Fire.objects.filter(backfill_id=backfill_id)
        active = fires.filter(state__in=_UNDER_WAY).count() + fires.filter(run_state=RunState.RUNNING).count()
        end = min(backfill.position + max(0, backfill.parallel - active), backfill.position + _MOST, len(backfill.dues))
        dues = [datetime.fromisoformat(text) for text in backfill.dues[backfill.position : end]]
        made = sum(_make_due(backfill, due_at=due_at) for due_at in dues)
        is_done = end == len(backfill.dues) and not active and not made
        if not dues and not is_done:
            return 0
        backfill.position, backfill.made = end, backfill.made + made
        backfill.passed_over += len(dues) - made
        if is_done:
            backfill.state, backfill.ended_at = Backfill.DONE, now
            name = Schedule.objects.values_list("name", flat=True).get(id=backfill.schedule_id)
            payload: dict[str, Any] = {"backfill": backfill.pk, "made": backfill.made}
            audit.record(event(EventKind.BACKFILL_DONE, name=name, actor=_ENGINE, now=now, **payload))
        backfill.save(update_fields=["position", "made", "passed_over", "state", "ended_at"])
    return made


def _make_due(backfill: Backfill, *, due_at: datetime) -> bool:
    """One due time, judged again: since the backfill was asked for it may have got a fire."""
    new: schedule_store.NewFire = {
        "schedule_id": backfill.schedule_id,
        "due_at": due_at,
        "fire_at": due_at,
        "recorded_at": None,
        "cause": Cause.BACKFILL,
        "backfill_id": backfill.pk,
    }
    if schedule_store.insert_fires([new]):
        return True
    rows = Fire.objects.select_for_update().filter(schedule_id=backfill.schedule_id, due_at=due_at)
    fire = rows.first()
    if fire is None or not is_wanted((fire.state, fire.run_state), reprocess=Reprocess(backfill.reprocess)):
        return False
    fire.state, fire.reason, fire.detail, fire.cause = FireState.DUE, "", "", Cause.BACKFILL
    fire.run_id, fire.run_state, fire.settled_at = None, "", None
    fire.round, fire.backfill_id = fire.round + 1, backfill.pk
    fire.save()
    return True
