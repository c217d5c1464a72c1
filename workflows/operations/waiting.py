"""Goes on with runs that were held back at a gate: when their time has come, or somebody wants them again."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db.models import Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Least

from workflows import plans
from workflows.core.flow_control import GateKind
from workflows.core.states import RunState, WaitReason
from workflows.flow import GateKey
from workflows.gate_models import Gate, RunSlot
from workflows.models import Activation, Run
from workflows.operations import gathering, slots
from workflows.operations.passing import Entrant, go_on
from workflows.operations.patience import between_steps
from workflows.operations.revival import Comeback
from workflows.store import GATES


def admit_due(*, run_id: UUID, now: datetime) -> bool:
    """This will take a run that is held back on to its next gate; False when nothing holds it back any more.

    It may be called at any time and from several schedulers: the gates decide anew.
    """
    return between_steps(lambda: _admit_due(run_id, now=now))


def requeue(comeback: Comeback, *, was_ended: bool) -> None:
    """This will have a run that goes on after a failure take its slots again, or wait for them.

    The run is locked. It was asked for by name: it is never refused, and no rate applies. One that goes on later asks
    for its slots then.
    """
    run, flow = comeback.run, comeback.program.flow
    if flow is None:
        return
    if was_ended:
        gathering.fold_rest(run, flow=flow)
    if not flow.takes_slots:
        return
    if not was_ended:
        _stay_behind(comeback)
    elif comeback.delay_s > 0:
        slots.hold_back(run.id, reason=WaitReason.DELAYED_ENTRY, about="", due_at=comeback.due_at)
    else:
        entrant = gathering.entrant_of(run, program=comeback.program, flow=flow)
        go_on(replace(entrant, is_held=False), after=GateKind.DEBOUNCE, now=comeback.now)


def _stay_behind(comeback: Comeback) -> None:
    """What comes back while its run is held back at a gate waits there with it."""
    run = comeback.run
    places = RunSlot.objects.filter(run_id=run.id).order_by().values("gate_id")
    list(Gate.objects.select_for_update().filter(id__in=places).order_by("id"))
    held_back = Activation.objects.filter(run_id=run.id, wait_reason__in=GATES).first()
    if held_back is not None:
        reason = WaitReason(held_back.wait_reason)
        due_at: datetime | Combinable = held_back.due_at
        if reason is WaitReason.DELAYED_ENTRY:
            due_at = Least(Value(held_back.due_at), comeback.due_at)
        slots.hold_back(run.id, reason=reason, about=held_back.wait_object, due_at=due_at)


def _admit_due(run_id: UUID, *, now: datetime) -> bool:
    reason = _reason(run_id)
    run = Run.objects.filter(id=run_id).first()
    entrant = None if run is None else _entrant(run)
    if reason is None or entrant is None:
        return False
    key = gathering.gathering_gate(entrant.gates)
    if key is not None and reason in (WaitReason.BATCH, WaitReason.DEBOUNCE):
        return _close(entrant, key=key, now=now)
    if _lock(run_id, reason=reason) is None:
        return False
    if reason is WaitReason.DELAYED_ENTRY:
        go_on(entrant, after=GateKind.DEBOUNCE, now=now)
    elif reason is WaitReason.THROTTLE:
        go_on(entrant, after=GateKind.THROTTLE, now=now)
    else:
        _look_again(entrant, now=now)
    return True


def _close(entrant: Entrant, *, key: GateKey, now: datetime) -> bool:
    """The gate first and then the run, as those do who join; what they have changed by then counts."""
    gathering.hold(key, program=entrant.program)
    run = _lock(entrant.run_id, reason=WaitReason(key.kind.word))
    latest = None if run is None else _entrant(run)
    if latest is None:
        return False
    gathering.close(latest, key=key, now=now)
    return True


def _lock(run_id: UUID, *, reason: WaitReason) -> Run | None:
    """Lock the run, if it still waits for the same reason."""
    run = Run.objects.select_for_update().filter(id=run_id, state=RunState.RUNNING).first()
    return run if _reason(run_id) is reason else None


def _look_again(entrant: Entrant, *, now: datetime) -> None:
    """It waits in a line, or has the slot of a singleton and the gates behind it still before it."""
    waiting = RunSlot.objects.filter(run_id=entrant.run_id, number__isnull=True).order_by().values("gate_id")
    gates = list(Gate.objects.select_for_update().filter(id__in=waiting).order_by("id").values_list("id", flat=True))
    if not gates:
        go_on(entrant, after=GateKind.SINGLETON, now=now)
        return
    Activation.objects.filter(run_id=entrant.run_id, wait_reason__in=GATES).update(due_at=slots.NEVER)
    slots.hand_on(gates, now=now)


def _reason(run_id: UUID) -> WaitReason | None:
    found = Activation.objects.filter(run_id=run_id, wait_reason__in=GATES).values_list("wait_reason", flat=True)
    reason = found.first()
    return None if reason is None else WaitReason(reason)


def _entrant(run: Run) -> Entrant | None:
    program = plans.program_of(run.program_id)
    return None if program.flow is None else gathering.entrant_of(run, program=program, flow=program.flow)
