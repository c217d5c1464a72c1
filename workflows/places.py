"""Where a run stands that has not been let in yet: its place in line, and whose end would free a slot; reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from workflows.core.states import WaitReason
from workflows.gate_models import RunSlot
from workflows.models import Activation

_HOLDERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in line, from 1; `waiting` counts the whole line, `holders` are the oldest runs that have a slot."""

    position: int
    waiting: int
    limit: int
    holders: Sequence[UUID]


def find_place(activations: Sequence[Activation]) -> Place | None:
    """This will find the place in line of a run that waits for a slot, from its activations."""
    waits = [one for one in activations if one.wait_reason == WaitReason.CONCURRENCY]
    if not waits:
        return None
    own = RunSlot.objects.filter(run_id=waits[0].run_id, number__isnull=True).select_related("gate").order_by("id")
    slot = next((one for one in own if one.gate.key == waits[0].wait_object), None) or own.first()
    if slot is None:
        return None
    line = RunSlot.objects.filter(gate_id=slot.gate_id, number__isnull=True)
    held = RunSlot.objects.filter(gate_id=slot.gate_id, number__isnull=False).order_by("id")
    return Place(
        position=line.filter(id__lte=slot.id).count(),
        waiting=line.count(),
        limit=slot.gate.slots,
        holders=list(held.values_list("run_id", flat=True)[:_HOLDERS]),
    )


def gate_words(*, reason: WaitReason, key: str, place: Place | None) -> str:
    """This will say in words what a run waits for, and what would let it in."""
    named = f" of the key {key}" if key else ""
    if place is not None:
        holders = ", ".join(str(holder) for holder in place.holders) or "nobody"
        number = f"number {place.position} of {place.waiting} in line"
        return f"waits for a slot{named}, {number}; {place.limit} at a time, held by {holders}"
    match reason:
        case WaitReason.THROTTLE:
            return f"waits for its turn in the throttle{named}"
        case WaitReason.DEBOUNCE:
            return f"waits until no other start{named} comes"
        case WaitReason.BATCH:
            return f"waits for more starts{named} or the end of its time"
        case _:
            return f"waits to be let in{named}"
