"""Retries runs that have ended: from what failed, from a chosen step, or from the start; at most one at a time.

What failed goes on in its own run where nothing else is asked for: the same keys, the same version and input. All else
is a new run with keys of its own, linked to the first. That the work is done is said only when the retry has succeeded.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.db.models import QuerySet

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from workflows import plans, queries, statements
from workflows.core import identity, progress
from workflows.core.definition import JsonValue
from workflows.core.problems import Problem
from workflows.core.progress import Advance
from workflows.core.retry_plan import RetryFrom, RetryPlan, plan_retry
from workflows.core.states import DeadLetterState, RunState, StepState
from workflows.core.storable import holds_nul
from workflows.errors import (
    DeadLetterResolved,
    InputInvalid,
    RetryRefused,
    RetryUnderWay,
    RunNotEnded,
    UnknownRun,
)
from workflows.models import DeadLetter, Retry, Run
from workflows.operations import carrying, child_retries, closing, deadlines, repairs, starting, waiting
from workflows.operations.fairness import share_of
from workflows.operations.patience import patiently
from workflows.operations.revival import Comeback
from workflows.plans import Program


@dataclass(frozen=True, slots=True)
class EditedInput:
    """An input instead of the run's own; it may be null."""

    value: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryWanted:
    """How a run is retried: from where, on the version it had or on the newest, with its input or another one."""

    start: RetryFrom = RetryFrom.FAILED
    step: str = ""
    on_newest: bool = False
    edited: EditedInput | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What a retry does, or would do. `run_id`: where the work goes on; None before a new run exists."""

    of: UUID
    run_id: UUID | None
    is_new_run: bool
    version: int
    plan: RetryPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    run: Run
    program: Program
    plan: RetryPlan
    is_new_run: bool
    input: JsonValue

    def told(self, run_id: UUID | None) -> Retried:
        return Retried(
            of=self.run.id,
            run_id=run_id if self.is_new_run else self.run.id,
            is_new_run=self.is_new_run,
            version=self.program.number,
            plan=self.plan,
        )


def preview_retry(*, run_id: UUID, wanted: RetryWanted) -> Retried:
    """This will say what a retry would do, with all its hindrances, and change nothing.

    Nobody changes the run while it is read. Raises UnknownRun, RunNotEnded, RetryUnderWay, WorkflowDisabled,
    InputInvalid, RunBusy.
    """
    return patiently(lambda: _prepare(_locked(run_id), wanted=wanted).told(None))


def retry_run(*, run_id: UUID, wanted: RetryWanted, actor: Actor, now: datetime, delay_s: float = 0.0) -> Retried:
    """This will retry a run that has ended; what it does goes on after `delay_s`.

    Its open dead letters count as requeued, and their trials end with the retry. Raises as `preview_retry`, and
    RetryRefused where the definition stands in the way, and what `requeue_dead_letter` raises for a retry in
    place.
    """
    return patiently(lambda: _retry(run_id, wanted=wanted, actor=actor, now=now, delay_s=delay_s))


def _retry(run_id: UUID, *, wanted: RetryWanted, actor: Actor, now: datetime, delay_s: float) -> Retried:
    run = _locked(run_id)
    prepared = _prepare(run, wanted=wanted)
    if prepared.plan.hindrances:
        raise RetryRefused(run_id=run_id, problems=prepared.plan.hindrances)
    if not prepared.is_new_run:
        _requeue(run, actor=actor, now=now, delay_s=delay_s)
        return prepared.told(run_id)
    advance = _advance(prepared)
    new = _begin(prepared, actor=actor, now=now, delay_s=delay_s)
    carrying.carry(steps=prepared.plan.reused, source=run.id, target=new.id)
    _audit(prepared, new=new, wanted=wanted, actor=actor, now=now)
    _start(prepared, new=new, advance=advance, delay_s=delay_s, now=now)
    _link(prepared, new=new, wanted=wanted, actor=actor, now=now)
    child_retries.tie(run, retry=new)
    repairs.hand_over(run, actor=actor, now=now)
    waiting.requeue(Comeback(run=new, program=prepared.program, delay_s=delay_s, now=now), was_ended=True)
    statements.run("notify", {})
    return prepared.told(new.id)


def _locked(run_id: UUID) -> Run:
    run = Run.objects.select_for_update().filter(id=run_id).first()
    if run is None:
        raise UnknownRun(run_id)
    return run


def _prepare(run: Run, *, wanted: RetryWanted) -> _Prepared:
    if run.state == RunState.RUNNING:
        raise RunNotEnded(run.id)
    if run.is_dry:
        problem = Problem("$", "it was a dry run, which is not retried", "start another one")
        raise RetryRefused(run_id=run.id, problems=[problem])
    before = plans.program_of(run.program_id)
    past = queries.step_states(run_id=run.id)
    undone = {undo.undoes for undo in before.plan.undo_of.values() if undo.undoes and undo.id in past}
    heir = _find_heir(run)
    is_in_place = (
        wanted.start is RetryFrom.FAILED
        and not wanted.on_newest
        and wanted.edited is None
        and not undone
        and heir is None
        and _open_letters(run).exists()
    )
    program = before if is_in_place else _program(run, wanted=wanted)
    if not is_in_place:  # what a step returned belongs to the first run: the new one has it return its own
        past = {name: state for name, state in past.items() if name not in before.plan.grown}
    plan = plan_retry(before.plan, program.plan, past=past, undone=undone, start=wanted.start, step=wanted.step)
    if heir is not None and wanted.start is not RetryFrom.START:
        plan = _refused(plan, Problem("$", f"run {heir} has taken its results over", "retry that run instead"))
    value: JsonValue = run.input if wanted.edited is None else wanted.edited.value
    _check_input(program, value=value)
    return _Prepared(run=run, program=program, plan=plan, is_new_run=not is_in_place, input=value)


def _find_heir(run: Run) -> UUID | None:
    """The run that has taken over its results, if any. Raises RetryUnderWay."""
    rows = list(Retry.objects.filter(of_id=run.id).order_by("-asked_at", "-run_id").values_list("run_id", "reused"))
    at_work = Run.objects.filter(id__in=[row[0] for row in rows], state=RunState.RUNNING)
    for retry in at_work.values_list("id", flat=True):
        raise RetryUnderWay(run_id=run.id, retry=retry)
    return next((retry for retry, reused in rows if reused), None)


def _open_letters(run: Run) -> QuerySet[DeadLetter]:
    return DeadLetter.objects.filter(run_id=run.id, state=DeadLetterState.OPEN).order_by("id")


def _program(run: Run, *, wanted: RetryWanted) -> Program:
    """The version a new run gets; the newest is the one that a start of the same key gets. Raises WorkflowDisabled."""
    is_own = run.correlation_id == str(run.id)
    key = run.start_key if is_own and run.start_key is not None else run.correlation_id
    newest = starting.find_version(workflow=run.workflow_name, key=key)
    return plans.program_of(newest if wanted.on_newest else run.version_id)


def _refused(plan: RetryPlan, problem: Problem) -> RetryPlan:
    return RetryPlan(
        reused=plan.reused, executed=plan.executed, dropped=plan.dropped, hindrances=(problem, *plan.hindrances)
    )


def _check_input(program: Program, *, value: JsonValue) -> None:
    problems = list(program.input_problems(value, prefix="$"))
    if holds_nul(_text(value)):
        problems.append(Problem("$", "the input holds a NUL character, which cannot be stored"))
    if problems:
        raise InputInvalid(problems)


def _text(value: JsonValue) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _requeue(run: Run, *, actor: Actor, now: datetime, delay_s: float) -> None:
    """What a letter brings back may resolve others of the run with it."""
    for letter_id in list(_open_letters(run).values_list("id", flat=True)):
        try:
            repairs.requeue_dead_letter(dead_letter_id=letter_id, actor=actor, now=now, delay_s=delay_s)
        except DeadLetterResolved:
            continue


def _advance(prepared: _Prepared) -> Advance:
    """Where the new run begins. Raises RetryRefused when there is nothing to execute."""
    run, plan = prepared.run, prepared.program.plan
    past = queries.step_states(run_id=run.id)
    advance = progress.advance(
        plan,
        ended={step: StepState(past[step]) for step in prepared.plan.reused},
        active=frozenset(),
        chosen=queries.choices_of(run_id=run.id, plan=plan),
    )
    if not advance.ready:
        problem = Problem(
            "$.steps", "nothing would be executed: what comes before decides against it", "begin before it"
        )
        raise RetryRefused(run_id=run.id, problems=[problem])
    return advance


def _begin(prepared: _Prepared, *, actor: Actor, now: datetime, delay_s: float) -> Run:
    run, program = prepared.run, prepared.program
    new_id = identity.run_id(unix_ms=int(now.timestamp() * 1000), random_bytes=os.urandom(10))
    deadline_s = deadlines.length_s(program.plan.definition.deadline, workflow=program.workflow_name)
    fields: JsonValue = {
        "id": str(new_id),
        "workflow": program.workflow_name,
        "version": program.number,
        "correlation_id": run.correlation_id,
        "started_at": now.isoformat(),
    }
    share = share_of(program, context={"input": prepared.input, "steps": {}, "run": fields})
    return Run.objects.create(
        id=new_id,
        workflow_name=run.workflow_name,
        version_id=program.version_id,
        input=prepared.input,
        correlation_id=run.correlation_id,
        traceparent=run.traceparent,
        started_by=str(actor),
        priority=run.priority,
        fairness_key=share.key,
        fairness_weight=share.weight,
        round=1,  # so that its end says what came of it
        deadline_at=None if deadline_s is None else now + timedelta(seconds=delay_s + deadline_s),
        created_at=now,
    )


def _start(prepared: _Prepared, *, new: Run, advance: Advance, delay_s: float, now: datetime) -> None:
    program = prepared.program
    leaving = closing.leaving(new, program=program, ending=RunState.RUNNING, error=None, is_undoing=False)
    closing.decide(leaving, decided=advance.decided, at=now)
    comeback = Comeback(run=new, program=program, delay_s=delay_s, now=now)
    for entry in advance.ready:
        comeback.activation(program.plan.segments[entry.segment].steps[entry.position]).save(force_insert=True)


def _link(prepared: _Prepared, *, new: Run, wanted: RetryWanted, actor: Actor, now: datetime) -> None:
    Retry.objects.create(
        run_id=new.id,
        of_id=prepared.run.id,
        start=wanted.start,
        step=wanted.step,
        reused=list(prepared.plan.reused),
        is_input_edited=wanted.edited is not None,
        reason=wanted.reason,
        asked_by=str(actor),
        asked_at=now,
    )


def _audit(prepared: _Prepared, *, new: Run, wanted: RetryWanted, actor: Actor, now: datetime) -> None:
    run, plan = prepared.run, prepared.plan
    digest = hashlib.sha256(_text(prepared.input)).hexdigest()
    started = {
        "workflow": run.workflow_name,
        "version": prepared.program.number,
        "input_sha256": digest,
        "retry_of": str(run.id),
    }
    retried = {
        "workflow": run.workflow_name,
        "retry": str(new.id),
        "from": wanted.start.value,
        "step": wanted.step,
        "version": prepared.program.number,
        "reused": list(plan.reused),
        "executed": list(plan.executed),
        "is_input_edited": wanted.edited is not None,
        "reason": wanted.reason,
    }
    events: list[tuple[Run, EventKind, Mapping[str, object]]] = [
        (new, EventKind.RUN_STARTED, started),
        (run, EventKind.RUN_RETRIED, retried),
    ]
    if plan.reused:
        events.append((new, EventKind.STEPS_CARRIED, {"of": str(run.id), "steps": list(plan.reused)}))
    audit.record(
        *(
            Event(
                kind=kind,
                actor=actor,
                subject_type="run",
                subject_id=str(about.id),
                correlation_id=about.correlation_id,
                at=now,
                payload=payload,
            )
            for about, kind, payload in events
        )
    )
