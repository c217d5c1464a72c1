"""Undoes a run that has ended, on somebody's word: it goes on running until what it did is undone, and ends again."""

from datetime import datetime
from uuid import UUID

from audit.events import Actor
from workflows import plans, queries, statements
from workflows.core import closing as owed
from workflows.core.definition import JsonObject
from workflows.core.states import Phase, RunState, StepState
from workflows.errors import NothingToUndo, RunNotEnded, UnknownRun
from workflows.models import Retry, Run
from workflows.operations import closing, revival, waiting
from workflows.operations.patience import patiently
from workflows.operations.revival import Comeback
from workflows.plans import Program


def undo_run(*, run_id: UUID, actor: Actor, now: datetime, reason: str) -> Run:
    """This will undo what an ended run did, in the reverse order; asking again changes nothing.

    It ends as failed if it had failed, and as cancelled if it had succeeded or was cancelled; `finally` does not run
    again. Raises UnknownRun, RunBusy, RunNotEnded, NothingToUndo.
    """
    return patiently(lambda: _undo_ended(run_id, actor=actor, now=now, reason=reason))


def _undo_ended(run_id: UUID, *, actor: Actor, now: datetime, reason: str) -> Run:
    run = Run.objects.select_for_update().filter(id=run_id).first()
    if run is None:
        raise UnknownRun(run_id)
    if run.state == RunState.RUNNING and run.is_undoing:
        return run
    if run.state == RunState.RUNNING:
        raise RunNotEnded(run_id)
    heirs = Retry.objects.filter(of_id=run_id).exclude(reused=[]).order_by("-asked_at")
    for heir in heirs.values_list("run_id", flat=True):
        raise NothingToUndo(run_id=run_id, why=f"run {heir} has taken its results over: undo that one")
    program = plans.program_of(run.program_id)
    if _is_undone(run, program=program):
        return run
    _undo(run, program=program, actor=actor, now=now, reason=reason)
    run.refresh_from_db()
    return run


def _is_undone(run: Run, *, program: Program) -> bool:
    """What was asked for is done already. Raises NothingToUndo where there never was anything, or it broke off."""
    past = queries.past_of(run_id=run.id)
    wanted, rest = owed.to_undo(program.plan, past=past), owed.not_undone(program.plan, past=past)
    if not wanted:
        raise NothingToUndo(run_id=run.id, why="none of its steps that were done has an undo")
    undos = (past.get(undo.id) for undo in program.plan.undo_of.values())
    if rest and any(undo is not None and undo.state is StepState.FAILED for undo in undos):
        raise NothingToUndo(run_id=run.id, why="its undo has failed: requeue the dead letter of that to go on")
    return not rest


def _undo(run: Run, *, program: Program, actor: Actor, now: datetime, reason: str) -> None:
    ending = RunState.FAILED if run.state == RunState.FAILED else RunState.CANCELLED
    error = _undone(actor=actor, reason=reason)
    if run.error is not None:
        error = run.error.get("before") or run.error
    Run.objects.filter(id=run.id).update(state=RunState.RUNNING, ended_at=None)
    run.state, run.ended_at, run.deadline_at = RunState.RUNNING, None, None
    leaving = closing.leaving(run, program=program, ending=ending, error=error, is_undoing=True)
    closing.enter(leaving, actor=actor, at=now, told={"reason": reason, "is_on_demand": True})
    comeback = Comeback(run=run, program=program, delay_s=0.0, now=now)
    if not revival.revive(comeback, phase=Phase.UNDO):  # unless force had stopped an undo half way
        closing.start(leaving, entries=closing.follows(leaving, active=frozenset()).ready, at=now)
    waiting.requeue(comeback, was_ended=True)
    statements.run("notify", {})


def _undone(*, actor: Actor, reason: str) -> JsonObject:
    return {"kind": "undone", "message": reason or f"undone by {actor}", "step": None}
