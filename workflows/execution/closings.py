"""What a worker does where a run comes to its end: the main part is over, a step returns, or a closing step ended.

It runs inside the transaction that ended the step, with the run locked, and says what this run owes next.
"""

import hashlib
from collections.abc import Set
from dataclasses import replace
from datetime import datetime

from workflows import queries, store
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.progress import Advance
from workflows.core.states import Notice, Phase, RunState, StepState
from workflows.execution import dead_letters, ends
from workflows.execution.cursor import ENGINE, Cursor
from workflows.execution.ends import StepEnd
from workflows.models import Run
from workflows.operations import closing, slots, stopping
from workflows.operations.closing import Leaving, Output

_STOPPED: JsonObject = {
    "kind": "cancelled",
    "message": "a step was stopped before it ended, and never done",
    "step": None,
}


def end_main(cursor: Cursor, *, state: RunState, at: datetime) -> Advance:
    """This will say what follows when all main steps have ended; the run ends if that is nothing."""
    error = None
    if state is RunState.FAILED:
        error = queries.first_error(run_id=cursor.claim.run_id, steps=cursor.program.plan.main) or _STOPPED
    if cursor.program.output is not None:
        wanted = cursor.program.output.references
        cursor.results.update(queries.results_of(run_id=cursor.claim.run_id, steps=wanted, plan=cursor.program.plan))
    result = ends.run_result(cursor, state=state, error=error)
    follows = _leave(cursor, state=result.state, output=result.output, error=result.error, active=frozenset(), at=at)
    if result.own_error is not None:
        dead_letters.bury_run(cursor, error=result.own_error, at=at)
    return follows


def give_back(cursor: Cursor, *, output: JsonValue, at: datetime) -> Advance:
    """This will end the main part early, as succeeded with this output: a step has returned.

    What has not begun is skipped; what waits for another attempt is stopped; what a worker has in hand may end.
    """
    plan, run_id = cursor.program.plan, cursor.claim.run_id
    run = _leaving(cursor, state=RunState.SUCCEEDED, error=None, is_undoing=False)
    closing.close_subjects(run, actor=ENGINE, at=at)
    stopped = stopping.stop(run_id, plan=plan, notice=Notice.LAST, now=at, skips=True)
    known = queries.step_states(run_id=run_id).keys() | stopped.active
    skipped = [(step, StepState.SKIPPED) for step in plan.main if step not in known]
    closing.decide(run, decided=skipped, at=at)
    return _leave(cursor, state=RunState.SUCCEEDED, output=output, error=None, active=stopped.active, at=at)


def go_on(cursor: Cursor, *, active: Set[str], at: datetime) -> Advance:
    """This will say what follows when a step of a run has ended that is ending; the run ends if that is nothing."""
    claim = cursor.claim
    if cursor.phase is Phase.MAIN and not active:
        Run.objects.filter(id=claim.run_id).update(deadline_at=None)
        cursor.claim = replace(claim, deadline_at=None)
    run = _leaving(cursor, state=RunState(claim.ending), error=cursor.run_error, is_undoing=claim.is_undoing)
    follows = closing.follows(run, active=active)
    closing.decide(run, decided=follows.decided, at=at)
    if follows.run_state is not None:
        slots.hand_on(closing.end(run, state=follows.run_state, actor=ENGINE, at=at), now=at)
    return follows


def cut_short(end: StepEnd) -> StepEnd:
    """This will say how a main step ends whose run is ending: nothing follows it, and a failure is no failure any more.

    Nobody waits for what it could not do, so there is no dead letter: it was stopped.
    """
    state = StepState.CANCELLED if end.state is StepState.FAILED else end.state
    return replace(end, state=state, follow=replace(end.follow, decided=(), position=None))


def _leave(
    cursor: Cursor, *, state: RunState, output: JsonValue, error: JsonObject | None, active: Set[str], at: datetime
) -> Advance:
    is_undoing = state is RunState.FAILED and cursor.program.plan.definition.undoes_on_failure
    run = _leaving(cursor, state=state, error=error, is_undoing=is_undoing)
    follows = closing.follows(run, active=active)
    told: dict[str, object] = (
        {} if output is None else {"output_sha256": hashlib.sha256(store.dump(output).encode()).hexdigest()}
    )
    if follows.run_state is not None:
        closing.decide(run, decided=follows.decided, at=at)
        freed = closing.end(run, state=follows.run_state, actor=ENGINE, at=at, output=Output(output), told=told)
        slots.hand_on(freed, now=at)
        return follows
    until = cursor.cut_off_at if active else None
    closing.enter(
        run, actor=ENGINE, at=at, output=Output(output), until=until, told={**told, "going_steps": sorted(active)}
    )
    closing.decide(run, decided=follows.decided, at=at)
    cursor.learn_ending(ending=state.value, is_undoing=is_undoing, error=error)
    cursor.claim = replace(cursor.claim, deadline_at=until)
    return follows


def _leaving(cursor: Cursor, *, state: RunState, error: JsonObject | None, is_undoing: bool) -> Leaving:
    return closing.leaving_as(
        cursor.claim,
        run_id=cursor.claim.run_id,
        program=cursor.program,
        ending=state,
        error=error,
        is_undoing=is_undoing,
    )
