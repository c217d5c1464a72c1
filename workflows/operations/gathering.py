"""Gathers several starts into one run: `batch` collects their inputs, `debounce` keeps the latest one.

The run exists from the first start on and is held back; the gate's row names it until it goes on.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Least, Now

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from workflows import gate_store, release_store, statements
from workflows.core.definition import JsonValue
from workflows.core.flow_control import FlowControl, GateKind
from workflows.core.states import RunState, WaitReason
from workflows.flow import FlowProgram, GateKey, Gates, context_of
from workflows.gate_models import Gate, JoinedStart
from workflows.gate_store import HeldGate
from workflows.models import Activation, Run
from workflows.operations.passing import Entrant, go_on, keep_out
from workflows.plans import Program
from workflows.store import RunRow


def gathering_gate(gates: Gates) -> GateKey | None:
    """This will give the gate at which starts are gathered, if the definition has one."""
    return gates.batch or gates.debounce


def hold(key: GateKey, *, program: Program) -> HeldGate:
    """This will lock the gate; it has no limit that could count."""
    return gate_store.hold_gates([(key, 0)], workflow=program.workflow_name)[key.id]


def find_open(gate: HeldGate, *, key: GateKey) -> Run | None:
    """This will lock the run that gathers at this locked gate; None: there is none, or it has ended."""
    if gate.run_id is None:
        return None
    run = Run.objects.select_for_update().filter(id=gate.run_id, state=RunState.RUNNING).first()
    waiting = Activation.objects.filter(run_id=gate.run_id, wait_reason=WaitReason(key.kind.word))
    return run if run is not None and waiting.exists() else None


def open_run(entrant: Entrant, *, key: GateKey, row: RunRow, value: JsonValue, now: datetime) -> RunState:
    """This will have a new run wait for more starts at its locked gate, unless one is enough."""
    control = _flow(entrant.program).control
    if control.batch is not None:
        note_join(entrant.run_id, how=key.kind, position=0, row=row, value=value, has_key=False)
        if control.batch.size == 1:
            _fold(entrant.run_id)
            return go_on(replace(entrant, has_caller=False), after=key.kind, now=now)
    Gate.objects.filter(id=key.id).update(run_id=entrant.run_id, joined=1, opened_at=Now())
    keep_out(entrant, key=key, due_s=_wait_s(control), now=now)
    return RunState.RUNNING


def join(
    run: Run,
    *,
    gate: HeldGate,
    program: Program,
    key: GateKey,
    row: RunRow,
    value: JsonValue,
    actor: Actor,
    now: datetime,
) -> None:
    """This will add a start to the run that gathers at the locked gate; the one that fills a batch sends it on."""
    flow = _flow(program)
    control = flow.control
    Gate.objects.filter(id=gate.id).update(joined=F("joined") + 1)
    if control.batch is not None:
        note_join(run.id, how=key.kind, position=gate.joined, row=row, value=value, has_key=True)
    else:
        Run.objects.filter(id=run.id).update(input=value)
        if row["start_key"] is not None:
            note_join(run.id, how=key.kind, position=gate.joined, row=row, value=None, has_key=True)
        _put_off(run.id, gate=gate, control=control)
    _audit_join(run, how=key.kind, position=gate.joined, row=row, actor=actor, now=now)
    if control.batch is not None and gate.joined + 1 >= control.batch.size:
        close(entrant_of(run, flow=flow, program=program), key=key, now=now)


def close(entrant: Entrant, *, key: GateKey, now: datetime) -> RunState:
    """This will send a run that has gathered on to the next gate; its gate and its row are locked."""
    Gate.objects.filter(id=key.id, run_id=entrant.run_id).update(run_id=None, joined=0, opened_at=None)
    if key.kind is GateKind.BATCH:
        _fold(entrant.run_id)
    return go_on(entrant, after=key.kind, now=now)


def entrant_of(run: Run, *, program: Program, flow: FlowProgram) -> Entrant:
    """This will give a run that is held back, with the gates of its input; those of a batch are its first input's."""
    value = run.input if flow.control.batch is None else _first_input(run)
    fields = {
        "id": str(run.id),
        "workflow": run.workflow_name,
        "version": program.number,
        "correlation_id": run.correlation_id,
        "started_at": run.created_at.isoformat(),
    }
    release = release_store.find_release(name=run.workflow_name) if flow.takes_slots else None
    return Entrant(
        run_id=run.id,
        program=program,
        gates=flow.gates(context_of(run=fields, value=value)),
        correlation_id=run.correlation_id,
        has_caller=False,
        is_held=True,
        is_requeued=run.round > 0,
        rank=0 if release is None else release.rank_of(program.version_id),
    )


def fold_rest(run: Run, *, flow: FlowProgram) -> None:
    """This will give a locked run its batch, if it ended before it could begin."""
    if flow.control.batch is not None and run.input == {"items": []}:
        _fold(run.id)
        run.refresh_from_db(fields=["input"])


def note_join(run_id: UUID, *, how: GateKind, position: int, row: RunRow, value: JsonValue, has_key: bool) -> None:
    """This will remember which run a start was answered with: the same key gives the same answer again."""
    JoinedStart.objects.create(
        run_id=run_id,
        how=how.word,
        position=position,
        input=value,
        start_key=row["start_key"] if has_key else None,
        start_digest=row["start_digest"],
        started_by=row["started_by"],
        created_at=datetime.fromisoformat(row["created_at"]),
    )


def _put_off(run_id: UUID, *, gate: HeldGate, control: FlowControl) -> None:
    """Wait for a period of quiet again, but no longer than the timeout after the first start."""
    assert control.debounce is not None, "only a debounced run is put off"
    due_at: Combinable = Now() + timedelta(seconds=control.debounce.period_s)
    if control.debounce.timeout_s is not None and gate.opened_at is not None:
        due_at = Least(due_at, Value(gate.opened_at + timedelta(seconds=control.debounce.timeout_s)))
    Activation.objects.filter(run_id=run_id, wait_reason=WaitReason.DEBOUNCE).update(due_at=due_at)
    statements.run("notify", {})


def _fold(run_id: UUID) -> None:
    """The inputs of a batch become the run's own."""
    joined = JoinedStart.objects.filter(run_id=run_id, how=GateKind.BATCH.word)
    items = list(joined.order_by("position").values_list("input", flat=True))
    Run.objects.filter(id=run_id).update(input={"items": items})
    joined.update(input=None)


def _first_input(run: Run) -> JsonValue:
    if run.input and run.input["items"]:
        return run.input["items"][0]  # type: ignore[no-any-return]  # JSON
    joined = JoinedStart.objects.filter(run_id=run.id, how=GateKind.BATCH.word).order_by("position")
    return joined.values_list("input", flat=True).first()


def _audit_join(run: Run, *, how: GateKind, position: int, row: RunRow, actor: Actor, now: datetime) -> None:
    payload = {"how": how.word, "position": position, "start_digest": row["start_digest"]}
    audit.record(
        Event(
            kind=EventKind.RUN_JOINED,
            actor=actor,
            subject_type="run",
            subject_id=str(run.id),
            correlation_id=run.correlation_id,
            at=now,
            payload=payload,
        )
    )


def _wait_s(control: FlowControl) -> float:
    if control.batch is not None:
        return control.batch.timeout_s
    assert control.debounce is not None, "something gathers"
    timeout_s = control.debounce.timeout_s
    return control.debounce.period_s if timeout_s is None else min(control.debounce.period_s, timeout_s)


def _flow(program: Program) -> FlowProgram:
    assert program.flow is not None, "the definition has flow control"
    return program.flow
