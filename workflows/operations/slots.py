"""Slots at gates: frees them when a run ends and hands them on, in order, in the same transaction.

Lock order: the run that acts, then its gates by id, then the activations of those that are let in. Whoever acts on
somebody else's run from inside a gate does not wait for a lock: it lets go of everything and tries again.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Count
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from audit import operations as audit
from audit.events import Actor, ActorKind, Event, EventKind
from workflows import gate_store, plans, statements
from workflows.core.admission import free_number, next_in_line
from workflows.core.flow_control import GateKind
from workflows.core.plan import Plan
from workflows.core.states import ActivationState, WaitReason
from workflows.gate_models import Gate, RunSlot
from workflows.models import Activation, Run
from workflows.operations import timings
from workflows.plans import Program
from workflows.store import GATES

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When an activation is due that nothing but the end of another run lets in."""
_LOOK_AT = 16


def leave(run_id: UUID, *, is_patient: bool = True) -> Collection[UUID]:
    """This will give up every place of a run that ends; gives the gates, which are locked now.

    Follow it with `hand_on`. Without patience it raises OperationalError when somebody is at one of the gates.
    """
    places = RunSlot.objects.filter(run_id=run_id).order_by().values("gate_id")
    gates = Gate.objects.select_for_update(nowait=not is_patient).filter(id__in=places).order_by("id")
    locked = list(gates.values_list("id", flat=True))
    if locked:
        RunSlot.objects.filter(run_id=run_id).delete()
    return locked


def hand_on(gate_ids: Collection[UUID], *, now: datetime) -> None:
    """This will let in whoever has waited longest at these locked gates, as far as there is room.

    One that waits at other gates too is let in only if those are at hand; else the scheduler looks again at once.
    """
    room = _room(gate_ids)
    passed_over: set[UUID] = set()
    while (found := _next(room, passed_over=passed_over)) is not None:
        run_id, places = found
        if not _lock_more(room, places=places):
            passed_over.add(run_id)
            come_back(run_id)
        elif all(room[place] > 0 for place in places):
            _let_in(run_id, places=places, now=now)
            for place in places:
                room[place] -= 1
        else:
            passed_over.add(run_id)


def hold_back(run_id: UUID, *, reason: WaitReason, about: str, due_at: datetime | Combinable) -> None:
    """This will keep a run from its workers until `due_at`, when the scheduler looks at it again."""
    Activation.objects.filter(run_id=run_id).update(
        state=ActivationState.WAITING, wait_reason=reason, wait_object=about, due_at=due_at, **timings.HELD_BACK
    )
    statements.run("notify", {})


def come_back(run_id: UUID) -> None:
    """This will have the scheduler look at a run that is held back, at once."""
    Activation.objects.filter(run_id=run_id, wait_reason__in=GATES).update(due_at=Now())
    statements.run("notify", {})


def release(run_id: UUID, *, plan: Plan) -> None:
    """This will give a run that was held back to its workers; from now on its first steps are ready."""
    Activation.objects.filter(run_id=run_id, wait_reason__in=GATES).update(
        state=ActivationState.READY, wait_reason=WaitReason.WORKER, wait_object="", due_at=Now(), dispatches=0
    )
    timings.begin(run_id, plan=plan)
    statements.run("notify", {})


def note(kind: EventKind, *, run_id: UUID, correlation_id: str, now: datetime, **payload: object) -> None:
    """This will state what became of a run at a gate."""
    audit.record(
        Event(
            kind=kind,
            actor=Actor(kind=ActorKind.ENGINE),
            subject_type="run",
            subject_id=str(run_id),
            correlation_id=correlation_id,
            at=now,
            payload=payload,
        )
    )


def _room(gate_ids: Collection[UUID]) -> dict[UUID, int]:
    slots = dict(Gate.objects.filter(id__in=gate_ids).order_by().values_list("id", "slots"))
    held = RunSlot.objects.filter(gate_id__in=gate_ids, number__isnull=False).order_by()
    taken = dict(held.values_list("gate_id").annotate(number_held=Count("id")))
    return {gate_id: number - taken.get(gate_id, 0) for gate_id, number in slots.items()}


def _next(room: dict[UUID, int], *, passed_over: set[UUID]) -> tuple[UUID, Collection[UUID]] | None:
    """Who waited longest and may pass; gates that are not locked yet are taken for open, as they were just now."""
    gates = [gate_id for gate_id, number in room.items() if number > 0]
    if not gates:
        return None
    found = gate_store.find_admissible(gates, limit=_LOOK_AT + len(passed_over))
    waiting = {run_id: places for run_id, places in found if run_id not in passed_over}
    open_gates = {place: room.get(place, 1) for places in waiting.values() for place in places}
    run_id = next_in_line(list(waiting.items()), room=open_gates)
    return None if run_id is None else (run_id, waiting[run_id])


def _lock_more(room: dict[UUID, int], *, places: Collection[UUID]) -> bool:
    """Lock gates that are not ours yet, without waiting for anybody; False when one of them is somebody else's."""
    missing = [place for place in places if place not in room]
    if not missing:
        return True
    gates = Gate.objects.select_for_update(skip_locked=True).filter(id__in=missing).order_by("id")
    locked = list(gates.values_list("id", flat=True))
    room.update(_room(locked))
    return len(locked) == len(missing)


def _let_in(run_id: UUID, *, places: Collection[UUID], now: datetime) -> None:
    _number(run_id, places=places)
    run = Run.objects.only("id", "version_id", "grown_id", "correlation_id", "round").get(id=run_id)
    program = plans.program_of(run.program_id)
    if _has_more_gates(program, places=places, is_requeued=run.round > 0):
        come_back(run_id)
        return
    release(run_id, plan=program.plan)
    note(EventKind.RUN_ADMITTED, run_id=run_id, correlation_id=run.correlation_id, now=now, reason="concurrency")


def _number(run_id: UUID, *, places: Collection[UUID]) -> None:
    for place in places:
        held = RunSlot.objects.filter(gate_id=place, number__isnull=False).order_by()
        number = free_number({taken for taken in held.values_list("number", flat=True) if taken is not None})
        RunSlot.objects.filter(run_id=run_id, gate_id=place).update(number=number)


def _has_more_gates(program: Program, *, places: Collection[UUID], is_requeued: bool) -> bool:
    """A singleton's slot is not the last word: throttle and concurrency come behind it."""
    is_singleton = any(place.bytes[0] == GateKind.SINGLETON for place in places)
    if not is_singleton or program.flow is None:
        return False
    control = program.flow.control
    return bool(control.concurrency) or (control.throttle is not None and not is_requeued)
