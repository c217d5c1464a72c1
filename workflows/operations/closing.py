"""How a run comes to its end: it enters its closing, does what it owes, and ends; all inside the caller's transaction.

The run is locked. Every end of a run goes through `end`, except that of one that is a single straight segment, owes
nothing and holds nothing: it ends in the statement of its last step.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from django.db.models.functions import Now

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from workflows import queries, statements
from workflows.core import closing
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.progress import Advance, Entry
from workflows.core.states import RunState, StepState
from workflows.models import Activation, Run, Step
from workflows.operations import child_ends, slots, subjects, timings, trials
from workflows.operations.incidents import ENGINE
from workflows.operations.subjects import Cause
from workflows.plans import Program

_RUN_EVENTS: Mapping[RunState, EventKind] = {
    RunState.SUCCEEDED: EventKind.RUN_SUCCEEDED,
    RunState.FAILED: EventKind.RUN_FAILED,
    RunState.CANCELLED: EventKind.RUN_CANCELLED,
}
_STEP_EVENTS: Mapping[StepState, EventKind] = {
    StepState.SKIPPED: EventKind.STEP_SKIPPED,
    StepState.UPSTREAM_FAILED: EventKind.STEP_UPSTREAM_FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A run on its way to its end: as what, why, and whether what it did is undone before.

    `is_awaited`: a step of another run may wait for its end.
    """

    run_id: UUID
    program: Program
    correlation_id: str
    round: int
    priority: int
    fairness_key: str
    fairness_weight: float
    ending: RunState
    error: JsonObject | None
    is_undoing: bool
    is_awaited: bool

    def event(self, kind: EventKind, *, actor: Actor, at: datetime, **payload: object) -> Event:
        """This will state something that happened to the run."""
        return Event(
            kind=kind,
            actor=actor,
            subject_type="run",
            subject_id=str(self.run_id),
            correlation_id=self.correlation_id,
            at=at,
            payload={"workflow": self.program.workflow_name, **payload},
        )


@dataclass(frozen=True, slots=True)
class Output:
    """The output of a run; it may be null."""

    value: JsonValue


class Goer(Protocol):
    """What a run and a worker's claim of it both know."""

    @property
    def correlation_id(self) -> str: ...
    @property
    def round(self) -> int: ...
    @property
    def priority(self) -> int: ...
    @property
    def fairness_key(self) -> str: ...
    @property
    def fairness_weight(self) -> float: ...
    @property
    def is_awaited(self) -> bool: ...


def leaving(run: Run, *, program: Program, ending: RunState, error: JsonObject | None, is_undoing: bool) -> Leaving:
    """This will say how a run that is locked leaves."""
    return leaving_as(run, run_id=run.id, program=program, ending=ending, error=error, is_undoing=is_undoing)


def leaving_as(
    goer: Goer, *, run_id: UUID, program: Program, ending: RunState, error: JsonObject | None, is_undoing: bool
) -> Leaving:
    """This will say how a locked run leaves, as whoever works on it knows it."""
    return Leaving(
        run_id=run_id,
        program=program,
        correlation_id=goer.correlation_id,
        round=goer.round,
        priority=goer.priority,
        fairness_key=goer.fairness_key,
        fairness_weight=goer.fairness_weight,
        ending=ending,
        error=error,
        is_undoing=is_undoing,
        is_awaited=goer.is_awaited,
    )


def resumed(run: Run, *, program: Program) -> Leaving:
    """This will say how a run leaves that is ending already, as it was decided then."""
    return leaving(run, program=program, ending=RunState(run.ending), error=run.error, is_undoing=run.is_undoing)


def follows(run: Leaving, *, active: Set[str]) -> Advance:
    """This will say what the run owes next, and as what it ends when nothing is left."""
    if not run.program.plan.has_closing:
        return Advance((), (), None if active else run.ending)
    return closing.advance(
        run.program.plan,
        ending=run.ending,
        is_undoing=run.is_undoing,
        past=queries.past_of(run_id=run.run_id),
        active=active,
        chosen=queries.choices_of(run_id=run.run_id, plan=run.program.plan),
    )


def enter(
    run: Leaving,
    *,
    actor: Actor,
    at: datetime,
    output: Output | None = None,
    until: datetime | None = None,
    told: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """This will note what the run will end as; `until` is when steps that may still go on are stopped.

    The deadline was that of the main part: what comes now has its own time.
    """
    plan = run.program.plan
    undo = closing.not_undone(plan, past=queries.past_of(run_id=run.run_id)) if run.is_undoing and plan.undo_of else ()
    Run.objects.filter(id=run.run_id).update(
        ending=run.ending.value,
        is_undoing=run.is_undoing,
        error=run.error,
        deadline_at=until,
        **({} if output is None else {"output": output.value}),
    )
    audit.record(
        run.event(
            EventKind.RUN_ENDING,
            actor=actor,
            at=at,
            ending=run.ending.value,
            undo=list(undo),
            **_why(run.error),
            **told,
        )
    )


def close_subjects(run: Leaving, *, actor: Actor, at: datetime) -> None:
    """This will close what its steps wait for outside; before its activations: whoever answers goes the same way."""
    if run.program.subjects:
        cause = Cause.RUN_CANCELLED if run.ending is RunState.CANCELLED else Cause.RUN_ENDED
        subjects.close(run.program, run_id=run.run_id, cause=cause, actor=actor, now=at)


def decide(run: Leaving, *, decided: Sequence[tuple[str, StepState]], at: datetime) -> None:
    """This will end steps without running them."""
    Step.objects.bulk_create(
        Step(run_id=run.run_id, step=step, state=state, attempts=0, ended_at=at) for step, state in decided
    )
    audit.record(*(run.event(_STEP_EVENTS[state], actor=ENGINE, at=at, step=step) for step, state in decided))


def start(run: Leaving, *, entries: Sequence[Entry], at: datetime) -> None:
    """This will make due what the run owes next."""
    Activation.objects.bulk_create(activation(run, entry=entry, at=at) for entry in entries)
    if entries:
        statements.run("notify", {})


def activation(run: Leaving, *, entry: Entry, at: datetime) -> Activation:
    """This will be a place of the plan that is due now."""
    return Activation(
        run_id=run.run_id,
        version_id=run.program.version_id,
        segment=entry.segment,
        position=entry.position,
        round=run.round,
        due_at=Now(),
        lane=run.program.plan.segments[entry.segment].lane,
        priority=run.priority,
        fairness_key=run.fairness_key,
        fairness_weight=run.fairness_weight,
        created_at=at,
        **timings.columns(run.program.plan.step_at(segment=entry.segment, position=entry.position).allowance),
    )


def end(
    run: Leaving,
    *,
    state: RunState,
    actor: Actor,
    at: datetime,
    output: Output | None = None,
    has_stopped: bool = False,
    told: Mapping[str, object] = MappingProxyType({}),
) -> Collection[UUID]:
    """This will end the run; gives the gates it has left, for `slots.hand_on`, locked.

    Without an `output` the one it was given before stays. A run whose undo or `finally` has failed says so beside what
    it would have ended as. `has_stopped`: the caller has stopped what was under way, with its subjects; it may be
    inside a gate, so OperationalError is raised when somebody is at one of the gates.
    """
    error = run.error
    if run.program.plan.has_closing:
        error = closing.end_error(
            run.program.plan,
            error=error,
            is_as_meant=state is run.ending,
            is_undoing=run.is_undoing,
            past=queries.past_of(run_id=run.run_id),
        )
    Run.objects.filter(id=run.run_id).update(
        state=state.value,
        ending=run.ending.value,
        is_undoing=run.is_undoing,
        error=error,
        ended_at=at,
        **({} if output is None else {"output": output.value}),
    )
    audit.record(run.event(_RUN_EVENTS[state], actor=actor, at=at, **_why(error), **told))
    if run.round:
        trials.end_run(run_id=run.run_id, state=state, at=at)
    if not has_stopped:
        close_subjects(run, actor=actor, at=at)
    if run.is_awaited:
        child_ends.tell_parents(run.run_id, state=state, round_=run.round)
    return slots.leave(run.run_id, is_patient=not has_stopped) if run.program.takes_slots else ()


def _why(error: JsonObject | None) -> Mapping[str, object]:
    return {} if error is None else {"failure": error["kind"], "step": error["step"]}
