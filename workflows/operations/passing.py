"""Takes a run from gate to gate until it may begin: singleton, throttle, concurrency; each has its own row to lock.

A run that has to wait is held back with its reason, and goes on from there when its turn has come.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models.functions import Now

from audit.events import Actor, ActorKind, EventKind
from workflows import gate_store
from workflows.core.admission import Judgement, Queue, Verdict, free_number, judge
from workflows.core.flow_control import GateKind, Overflow
from workflows.core.states import RunState, WaitReason
from workflows.errors import ConcurrencyReached
from workflows.flow import GateKey, Gates
from workflows.gate_models import RunSlot
from workflows.models import Run
from workflows.operations import endings, slots
from workflows.operations.slots import NEVER
from workflows.plans import Program

_ENGINE = Actor(kind=ActorKind.ENGINE)
_Queue = Queue[GateKey, UUID]


class SingletonTaken(Exception):
    """A run is there already, and stands for the start that found it; it never leaves this package."""

    def __init__(self, run_id: UUID) -> None:
        super().__init__(str(run_id))
        self.run_id = run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A run on its way through the gates.

    `has_caller`: its start is being answered, so it can still be refused. `is_held`: its activations wait.
    `is_requeued`: somebody has asked for it by name: it is never refused, and waits for slots only.
    `rank`: that of its version, for the limits of gates.
    """

    run_id: UUID
    program: Program
    gates: Gates
    correlation_id: str
    has_caller: bool
    is_held: bool
    is_requeued: bool = False
    rank: int = 0


def go_on(entrant: Entrant, *, after: int, now: datetime) -> RunState:
    """This will take a run through the gates behind the kind `after`, as far as it gets; gives what the run is then.

    Needs a transaction; raises ConcurrencyReached and SingletonTaken for one with a caller, and OperationalError
    when a run that has to make way cannot be locked at once.
    """
    steps: Sequence[tuple[GateKind, Callable[[], Verdict]]] = (
        (GateKind.SINGLETON, lambda: _take_slots(entrant, keys=_singleton(entrant.gates), now=now)),
        (GateKind.THROTTLE, lambda: _take_turn(entrant, now=now)),
        (GateKind.CONCURRENCY, lambda: _take_slots(entrant, keys=entrant.gates.concurrency, now=now)),
    )
    for kind, step in steps:
        verdict = step() if after < kind else Verdict.ADMIT
        if verdict is not Verdict.ADMIT:
            return RunState.RUNNING if verdict is Verdict.WAIT else RunState.CANCELLED
    if entrant.is_held:
        slots.release(entrant.run_id, plan=entrant.program.plan)
        _note(EventKind.RUN_ADMITTED, entrant, now=now)
    return RunState.RUNNING


def keep_out(entrant: Entrant, *, key: GateKey, due_s: float | None, now: datetime) -> None:
    """This will hold a run back at a gate, for so many seconds or (None) until another run ends."""
    reason = WaitReason.CONCURRENCY if key.kind is GateKind.SINGLETON else WaitReason(key.kind.word)
    due_at = NEVER if due_s is None else Now() + timedelta(seconds=due_s)
    slots.hold_back(entrant.run_id, reason=reason, about=key.key, due_at=due_at)
    _note(EventKind.RUN_QUEUED, entrant, now=now, reason=reason.value, key=key.key)


def _singleton(gates: Gates) -> tuple[GateKey, ...]:
    return () if gates.singleton is None else (gates.singleton,)


def _take_turn(entrant: Entrant, *, now: datetime) -> Verdict:
    program, key = entrant.program, entrant.gates.throttle
    rule = None if program.flow is None else program.flow.control.throttle
    if key is None or rule is None or entrant.is_requeued:
        return Verdict.ADMIT
    turn = gate_store.take_turn(key, workflow=program.workflow_name, rate=rule.rate, may_refuse=False)
    if turn.wait_s <= 0:
        return Verdict.ADMIT
    keep_out(entrant, key=key, due_s=turn.wait_s, now=now)
    return Verdict.WAIT


def _take_slots(entrant: Entrant, *, keys: Sequence[GateKey], now: datetime) -> Verdict:
    """Take a slot at every gate, or a place in every line, or end the run, or refuse its start."""
    if not keys:
        return Verdict.ADMIT
    queues = _queues(entrant, keys=keys)
    judgement = judge(queues)
    match judgement.verdict:
        case Verdict.REJECT | Verdict.SKIP | Verdict.CANCEL:
            _turn_away(entrant, queues=queues, judgement=judgement, now=now)
            return Verdict.CANCEL
        case Verdict.WAIT:
            assert judgement.cause is not None, "it waits at a full gate"
            _stand_in_line(entrant, numbers={key.id: None for key in keys}, now=now)
            keep_out(entrant, key=judgement.cause, due_s=None, now=now)
        case Verdict.ADMIT:
            freed = _make_way(queues, to_clear=judgement.to_clear, by=entrant.run_id, now=now)
            if judgement.to_clear:
                queues = _queues(entrant, keys=keys)
            if any(queue.room < 1 for queue in queues):  # who makes way has to tidy up first
                _stand_in_line(entrant, numbers={key.id: None for key in keys}, now=now)
                keep_out(entrant, key=next(queue.gate for queue in queues if queue.room < 1), due_s=None, now=now)
                slots.hand_on(freed, now=now)
                return Verdict.WAIT
            numbers = {queue.gate.id: free_number(queue.held.keys()) for queue in queues}
            _stand_in_line(entrant, numbers=numbers, now=now)
            slots.hand_on(freed, now=now)
    return judgement.verdict


def _queues(entrant: Entrant, *, keys: Sequence[GateKey]) -> Sequence[_Queue]:
    gates = gate_store.hold_gates([(key, entrant.rank) for key in keys], workflow=entrant.program.workflow_name)
    held: dict[UUID, dict[int, UUID]] = {gate_id: {} for gate_id in gates}
    taken = RunSlot.objects.filter(gate_id__in=gates, number__isnull=False).order_by("id")
    for gate_id, number, run_id in taken.values_list("gate_id", "number", "run_id"):
        held[gate_id][int(number or 0)] = run_id
    return [
        Queue(
            gate=key,
            slots=gates[key.id].slots,
            held=held[key.id],
            overflow=Overflow.QUEUE if entrant.is_requeued else key.overflow,
        )
        for key in keys
    ]


def _stand_in_line(entrant: Entrant, *, numbers: Mapping[UUID, int | None], now: datetime) -> None:
    RunSlot.objects.bulk_create(
        RunSlot(gate_id=gate_id, run_id=entrant.run_id, number=number, created_at=now)
        for gate_id, number in numbers.items()
    )


def _turn_away(entrant: Entrant, *, queues: Sequence[_Queue], judgement: Judgement[GateKey], now: datetime) -> None:
    """Refuse a start whose caller can be told; a run without one is ended, for all to see."""
    queue = next(queue for queue in queues if queue.gate is judgement.cause)
    holders = list(queue.held.values())
    if entrant.has_caller and judgement.verdict is Verdict.SKIP:
        raise SingletonTaken(holders[0])
    workflow = entrant.program.workflow_name
    reached = ConcurrencyReached(workflow=workflow, key=queue.gate.key, limit=queue.slots, holders=holders)
    if entrant.has_caller and judgement.verdict is Verdict.REJECT:
        raise reached
    run = Run.objects.select_for_update(nowait=True).get(id=entrant.run_id)
    error = {"kind": "concurrency", "message": str(reached), "step": None}
    endings.end(run, state=RunState.CANCELLED, error=error, actor=_ENGINE, now=now)


def _make_way(queues: Sequence[_Queue], *, to_clear: Collection[GateKey], by: UUID, now: datetime) -> Collection[UUID]:
    """Cancel the oldest holders of gates that are full, just as many as needed; gives the gates they left."""
    freed: set[UUID] = set()
    for queue in queues:
        if queue.gate in to_clear:
            for run_id in list(queue.held.values())[: 1 - queue.room]:
                freed.update(_supersede(run_id, by=by, now=now))
    return freed


def _supersede(run_id: UUID, *, by: UUID, now: datetime) -> Collection[UUID]:
    run = Run.objects.select_for_update(nowait=True).get(id=run_id)
    if run.state != RunState.RUNNING or run.ending:  # it makes way already
        return ()
    error = {"kind": "superseded", "message": f"run {by} has taken its place", "step": None}
    return endings.stop(run, state=RunState.CANCELLED, error=error, actor=_ENGINE, now=now)


def _note(kind: EventKind, entrant: Entrant, *, now: datetime, **payload: object) -> None:
    slots.note(kind, run_id=entrant.run_id, correlation_id=entrant.correlation_id, now=now, **payload)
