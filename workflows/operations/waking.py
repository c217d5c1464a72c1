"""Wakes steps that wait outside, inside the transaction that changed what they wait for; it answers nothing.

A woken step is performed again by a worker and reads for itself what has become of its subject. Lock order: what the
step waits for, then its activations by id, then its item. See docs/adr/0018-steps-that-wait-hold-a-row.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from workflows import park_store, plans, statements
from workflows.core.states import ActivationState, ItemState, WaitReason
from workflows.models import Activation, Item, Run
from workflows.park_store import Sleeper


@dataclass(frozen=True, slots=True)
class Waiting:
    """A step that waits outside, or with `index` an item of a `for_each`."""

    run_id: UUID
    step: str
    index: int | None = None


def wake(*, run_id: UUID, step: str, index: int | None = None) -> bool:
    """This will make a parked step (or item) due now; False when it is not parked: it will look, or has ended.

    It belongs into the transaction that changes what the step waits for, behind that change: a worker that looks at
    the same moment either sees the change or is told to look again. It may be called twice.
    """
    return wake_all([Waiting(run_id, step, index)]) == 1


def wake_all(waiting: Sequence[Waiting]) -> int:
    """This will wake steps as `wake` does; gives how many were parked.

    A run may be moved to another version meanwhile: then its steps are woken where they are now. Once one is locked,
    its run is not moved any more.
    """
    woken, programs = 0, _programs(waiting)
    while waiting:
        woken += _wake_at(waiting, programs=programs)
        before, programs = programs, _programs(waiting)
        waiting = [one for one in waiting if programs.get(one.run_id) not in (None, before.get(one.run_id))]
    return woken


def _programs(waiting: Sequence[Waiting]) -> Mapping[UUID, int]:
    runs = Run.objects.only("id", "version_id", "grown_id").in_bulk({one.run_id for one in waiting})
    return {run_id: run.program_id for run_id, run in runs.items()}


def _wake_at(waiting: Sequence[Waiting], *, programs: Mapping[UUID, int]) -> int:
    woken = 0
    sleepers: list[Sleeper] = []
    for one in sorted(set(waiting), key=lambda one: (one.run_id, one.step, one.index or 0)):
        if one.run_id not in programs:
            continue
        segment, position = plans.program_of(programs[one.run_id]).plan.place_of[one.step]
        if one.index is None:
            sleepers.append(Sleeper(one.run_id, segment, position))
        else:
            woken += _wake_item(one, index=one.index, segment=segment)
    return woken + (park_store.wake(sleepers) if sleepers else 0)


def _wake_item(one: Waiting, *, index: int, segment: int) -> int:
    """The pullers are locked first: one that is about to sleep sees the item, or is seen asleep."""
    with transaction.atomic():
        pullers = Activation.objects.select_for_update().filter(run_id=one.run_id, segment=segment).order_by("id")
        asleep = [
            puller
            for puller in pullers
            if puller.state == ActivationState.WAITING and puller.wait_reason == WaitReason.ITEMS
        ]
        item = Item.objects.filter(run_id=one.run_id, step=one.step, index=index)
        parked = item.filter(state=ItemState.WAITING, parked_at__isnull=False, due_at__gt=Now())
        if not parked.update(due_at=Now()):
            item.filter(state__in=(ItemState.READY, ItemState.RUNNING)).update(is_woken=True)
            return 0
        if asleep:
            latest = max(asleep, key=lambda puller: puller.due_at)
            Activation.objects.filter(id=latest.id).update(due_at=Now())
            statements.run("notify", {})
    return 1
