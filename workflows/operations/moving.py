"""Moves a run that waits to another version of its workflow, if its plan allows; it never touches what a worker has.

What has begun keeps its row and its timer, at its place in the new plan; what has not is decided anew.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models.functions import Now

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from workflows import plans, queries, releases, statements
from workflows.core import moving, progress
from workflows.core.moving import Position
from workflows.core.problems import Problem
from workflows.core.progress import Advance
from workflows.core.states import ActivationState, RunState
from workflows.errors import MoveRefused, RunBusy, UnknownRun
from workflows.models import Activation, Fanout, Run, Workflow, WorkflowVersion
from workflows.operations import closing
from workflows.operations.bulk_repairs import AT_ONCE, Outcome
from workflows.operations.patience import patiently
from workflows.operations.revival import Comeback
from workflows.plans import Program
from workflows.store import GATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A move that was made, or would be. `hindrances`: why it cannot be, with JSON paths."""

    run_id: UUID
    before: int
    after: int
    hindrances: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """The rows of a run, apart: those that have begun, those that have not."""

    begun: Sequence[Activation]
    fresh: Sequence[Activation]
    at: Position


def move_run(
    *, run_id: UUID, version: int | None, actor: Actor, now: datetime, reason: str = "", dry_run: bool = False
) -> Moved:
    """This will have a run go on with a version (None: the one in use), or say all that is in the way.

    A dry run only says so. Raises UnknownRun, RunBusy, UnknownVersion, and MoveRefused where something is in the way.
    """
    return patiently(lambda: _move_run(run_id, version=version, actor=actor, now=now, reason=reason, dry_run=dry_run))


def move_matching(
    *,
    workflow: str,
    version: int | None,
    actor: Actor,
    now: datetime,
    from_version: int | None = None,
    reason: str = "",
    limit: int = AT_ONCE,
    dry_run: bool = False,
) -> Outcome:
    """This will move the running runs of a workflow, the oldest first, each for itself; those that cannot stay.

    Raises UnknownWorkflow, UnknownVersion.
    """
    target = _number(workflow, number=version)
    runs = Run.objects.filter(workflow_name=workflow, state=RunState.RUNNING).exclude(version__number=target)
    if from_version is not None:
        runs = runs.filter(version__number=from_version)
    found = list(runs.order_by("id").values_list("id", flat=True)[: limit + 1])
    ends: Counter[str] = Counter()
    for run_id in found[:limit]:
        try:
            told = move_run(run_id=run_id, version=target, actor=actor, now=now, reason=reason, dry_run=dry_run)
        except MoveRefused:
            ends["refused"] += 1
        except UnknownRun:
            ends["unknown"] += 1
        except RunBusy:
            ends["busy"] += 1
        else:
            ends["refused" if told.hindrances else "dry_run" if dry_run else "done"] += 1
    done = ends.pop("done", 0)
    matched, has_more = min(len(found), limit), len(found) > limit
    return Outcome(matched=matched, done=done, skipped=dict(ends), has_more=has_more, is_dry_run=dry_run)


def _move_run(run_id: UUID, *, version: int | None, actor: Actor, now: datetime, reason: str, dry_run: bool) -> Moved:
    run = Run.objects.select_for_update().filter(id=run_id).first()
    if run is None:
        raise UnknownRun(run_id)
    before, after = plans.program_of(run.program_id), plans.program_of(_version(run, number=version).id)
    standing = _standing(run, program=before)
    hindrances = _hindrances(run, before=before, after=after, standing=standing)
    told = Moved(run_id=run_id, before=before.number, after=after.number, hindrances=hindrances)
    if dry_run or (before.number == after.number and not hindrances):
        return told
    if hindrances:
        raise MoveRefused(run_id=run_id, problems=hindrances)
    _move(run, after=after, standing=standing, now=now)
    audit.record(_event(run, told=told, reason=reason, actor=actor, now=now))
    statements.run("notify", {})
    return told


def _number(workflow: str, *, number: int | None) -> int:
    return _wanted(queries.get_workflow(name=workflow), number=number).number


def _version(run: Run, *, number: int | None) -> WorkflowVersion:
    return _wanted(queries.get_workflow(name=run.workflow_name), number=number)


def _wanted(workflow: Workflow, *, number: int | None) -> WorkflowVersion:
    """Without a number it is the version in use: one that is only on trial has to be said."""
    if number is None:
        current = releases.find_current(workflow)
        number = workflow.latest_number if current is None else current.version.number
    return queries.get_version(workflow=workflow, number=number)


def _standing(run: Run, *, program: Program) -> _Standing:
    rows = list(Activation.objects.select_for_update(nowait=True).filter(run_id=run.id).order_by("id"))
    mapped = set(Fanout.objects.filter(run_id=run.id).values_list("step", flat=True))
    begun = [row for row in rows if _has_begun(row) or _step(row, program=program) in mapped]
    return _Standing(
        begun=begun,
        fresh=[row for row in rows if row not in begun],
        at=Position(
            ended=queries.step_states(run_id=run.id),
            begun=frozenset(_step(row, program=program) for row in begun),
        ),
    )


def _has_begun(row: Activation) -> bool:
    """One that was brought back has begun before, with the same key."""
    marks = (row.first_attempt_at, row.step_started_at, row.begun_at, row.parked_at)
    return row.attempt > 1 or row.round > 0 or any(mark is not None for mark in marks)


def _step(row: Activation, *, program: Program) -> str:
    return program.plan.segments[row.segment].steps[row.position]


def _hindrances(run: Run, *, before: Program, after: Program, standing: _Standing) -> tuple[Problem, ...]:
    problems: list[Problem] = []
    if run.grown_id is not None:
        problems.append(Problem("$.steps", "the run has grown steps of its own", "let it end on the plan it has"))
    if run.state != RunState.RUNNING or run.ending:
        problems.append(Problem("$", f"the run {'is ending' if run.state == RunState.RUNNING else f'has {run.state}'}"))
        return tuple(problems)
    for row in (*standing.begun, *standing.fresh):
        step = _step(row, program=before)
        if row.state == ActivationState.LEASED or row.holds_slots:
            problems.append(Problem("$", f"a worker has step {step!r}", "ask again when it waits, or pause the run"))
        elif row.wait_reason in GATES:
            problems.append(Problem("$", "the run has not been let in yet", "ask again when it has begun"))
    problems += moving.why_not(before.plan, after.plan, at=standing.at)
    problems += after.input_problems(run.input, prefix="$.input")
    if not problems and not standing.begun and not _advance(run, after=after, at=standing.at).ready:
        problems.append(Problem("$.steps", "nothing would be left to do there"))
    return tuple(problems)


def _advance(run: Run, *, after: Program, at: Position) -> Advance:
    return progress.advance(
        after.plan,
        ended=at.ended,
        active=moving.active_after(after.plan, begun=at.begun),
        chosen=queries.choices_of(run_id=run.id, plan=after.plan),
    )


def _move(run: Run, *, after: Program, standing: _Standing, now: datetime) -> None:
    """Rows that have begun are written anew: a place of the old plan may be that of another step in the new one."""
    program = plans.program_of(run.version_id)
    places = {row.id: after.plan.place_of[_step(row, program=program)] for row in standing.begun}
    advance = _advance(run, after=after, at=standing.at)
    Run.objects.filter(id=run.id).update(version_id=after.version_id)
    run.version_id = after.version_id
    Activation.objects.filter(run_id=run.id).delete()
    for row in standing.begun:
        row.segment, row.position = places[row.id]
        row.version_id, row.lane = after.version_id, after.plan.segments[row.segment].lane
        row.epoch += 1
    Activation.objects.bulk_create(standing.begun)
    leaving = closing.leaving(run, program=after, ending=RunState.RUNNING, error=None, is_undoing=False)
    closing.decide(leaving, decided=advance.decided, at=now)
    comeback = Comeback(run=run, program=after, delay_s=0.0, now=now)
    asleep = next((row for row in standing.fresh if row.state == ActivationState.WAITING), None)
    for entry in advance.ready:
        one = comeback.activation(after.plan.segments[entry.segment].steps[entry.position])
        if asleep is not None:  # it was to begin later, or is paused
            one.state, one.wait_reason, one.wait_object = asleep.state, asleep.wait_reason, asleep.wait_object
            one.due_at = asleep.due_at
        one.save(force_insert=True)
    Activation.objects.filter(run_id=run.id, state=ActivationState.READY).update(due_at=Now())


def _event(run: Run, *, told: Moved, reason: str, actor: Actor, now: datetime) -> Event:
    return Event(
        kind=EventKind.RUN_MOVED,
        actor=actor,
        subject_type="run",
        subject_id=str(run.id),
        correlation_id=run.correlation_id,
        at=now,
        payload={"workflow": run.workflow_name, "before": told.before, "after": told.after, "reason": reason},
    )
