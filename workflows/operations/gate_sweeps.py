"""Keeps the gates small and honest: removes those that mean nothing any more, frees slots nobody can be using."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from workflows.core.states import RunState
from workflows.gate_models import Gate, RunSlot
from workflows.models import Run
from workflows.operations import slots

log = structlog.get_logger(__name__)
_KEEP = timedelta(hours=1)
_KEEP_COUNTS = timedelta(days=7)
_AT_ONCE = 1_000


def sweep_gates(*, now: datetime) -> int:
    """This will remove gates that nobody has come by for an hour and that nothing depends on; gives how many.

    Those that have refused starts are kept for a week, to be seen.
    """
    places = RunSlot.objects.filter(gate_id=OuterRef("id"))
    idle = Gate.objects.filter(touched_at__lt=now - _KEEP, run_id__isnull=True)
    idle = idle.filter(Q(refused=0) | Q(touched_at__lt=now - _KEEP_COUNTS))
    idle = idle.filter(Q(tat__isnull=True) | Q(tat__lt=now)).exclude(Exists(places)).order_by("id")
    with transaction.atomic():
        ids = list(idle.select_for_update(skip_locked=True).values_list("id", flat=True)[:_AT_ONCE])
        removed, _ = Gate.objects.filter(id__in=ids).delete()
    return removed


def free_lost_slots(*, now: datetime) -> int:
    """This will free slots of runs that are over or gone; gives how many.

    Every end of a run does that itself: one that is found here was ended by other means, and is reported.
    """
    running = Run.objects.filter(id=OuterRef("run_id"), state=RunState.RUNNING)
    lost = RunSlot.objects.exclude(Exists(running)).order_by("id").values_list("run_id", flat=True)
    run_ids = list(dict.fromkeys(lost[:_AT_ONCE]))
    for run_id in run_ids:
        with transaction.atomic():
            Run.objects.select_for_update().filter(id=run_id).first()
            if not Run.objects.filter(id=run_id, state=RunState.RUNNING).exists():
                slots.hand_on(slots.leave(run_id), now=now)
    if run_ids:
        log.error("slots_were_lost", runs=[str(run_id) for run_id in run_ids])
    return len(run_ids)
