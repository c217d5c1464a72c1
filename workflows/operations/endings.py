"""Ends runs from outside: on somebody's wish, or because their deadline has passed.

What a worker has in hand goes with the run, unless there is a grace for it. A run that owes something, undo or
`finally`, goes on with that before it ends.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from audit.events import Actor
from workflows import plans
from workflows.core.deadlines import DeadlineAction, DeadlineRule
from workflows.core.definition import JsonObject
from workflows.core.states import Notice, RunState, TrialState, WaitReason
from workflows.errors import RunEnded, UnknownRun
from workflows.models import Activation, DeadLetter, Run
from workflows.operations import burials, closing, deadlines, slots, stopping, trials
from workflows.operations.burials import Burial
from workflows.operations.closing import Leaving
from workflows.operations.incidents import ENGINE
from workflows.operations.incidents import Cause as FailureCause
from workflows.operations.patience import patiently
from workflows.store import GATES

_NOT_BEGUN = (*GATES, WaitReason.DELAYED.value)


def cancel_run(
    *,
    run_id: UUID,
    actor: Actor,
    now: datetime,
    reason: str = "",
    grace_s: float | None = None,
    is_undoing: bool | None = None,
    is_forced: bool = False,
) -> Run:
    """This will have a running run end as cancelled. Cancelling it again gives the run as it is.

    Steps that a worker has in hand are told, and may end within `grace_s`; what was done is undone if `is_undoing`
    (None: as the workflow says). `is_forced` takes away whatever is under way, undo and `finally` too, and ends the run
    at once. Raises UnknownRun, RunBusy, RunEnded when it ended in another way, or is about to and nothing is forced.
    """
    error = {"kind": "cancelled", "message": reason or f"cancelled by {actor}", "step": None}

    def cancel() -> Run:
        run = Run.objects.select_for_update().filter(id=run_id).first()
        if run is None:
            raise UnknownRun(run_id)
        if run.state == RunState.CANCELLED:
            return run
        if run.state != RunState.RUNNING:
            raise RunEnded(run_id=run_id, state=run.state)
        policy = plans.program_of(run.program_id).plan.definition.cancel
        if is_forced:
            _force(run, error=error, actor=actor, now=now)
        elif not run.ending:
            freed = stop(
                run,
                state=RunState.CANCELLED,
                error=error,
                actor=actor,
                now=now,
                grace_s=policy.grace_s if grace_s is None else grace_s,
                is_undoing=policy.is_undoing if is_undoing is None else is_undoing,
            )
            slots.hand_on(freed, now=now)
        elif run.ending != RunState.CANCELLED:
            raise RunEnded(run_id=run_id, state=run.state, ending=run.ending)
        run.refresh_from_db()
        return run

    return patiently(cancel)


def expire_run(*, run_id: UUID, now: datetime) -> bool:
    """This will act on the deadline of a run that has passed, or stop what its grace has passed for.

    False: it has ended, or is not late. One that only has somebody told goes on, and is not late a second time. Raises
    RunBusy.
    """

    def expire() -> bool:
        run = Run.objects.select_for_update().filter(id=run_id, state=RunState.RUNNING).first()
        if run is None or run.deadline_at is None or run.deadline_at > now:
            return False
        if run.ending:
            slots.hand_on(_end_grace(run, now=now), now=now)
            return True
        _act_on_deadline(run, now=now)
        return True

    return patiently(expire)


def _act_on_deadline(run: Run, *, now: datetime) -> None:
    definition = plans.program_of(run.program_id).plan.definition
    rule, deadline_at = definition.deadline or DeadlineRule(), run.deadline_at
    if not rule.ends_run:
        deadlines.miss(run, rule=rule, now=now)
        return
    deadlines.tell(run, rule=rule, now=now)
    message = "" if deadline_at is None else f"did not end before its deadline {deadline_at.isoformat()}"
    error = {"kind": "deadline", "message": message, "step": None}
    if rule.action is DeadlineAction.FAIL:
        end(run, state=RunState.FAILED, error=error, actor=ENGINE, now=now)
        return
    cancel = definition.cancel
    freed = stop(run, state=RunState.CANCELLED, error=error, actor=ENGINE, now=now, grace_s=cancel.grace_s)
    slots.hand_on(freed, now=now)


def end(run: Run, *, state: RunState, error: JsonObject, actor: Actor, now: datetime) -> None:
    """This will end a running run that the transaction has locked; raises OperationalError when a worker is at it."""
    slots.hand_on(stop(run, state=state, error=error, actor=actor, now=now), now=now)


def stop(
    run: Run,
    *,
    state: RunState,
    error: JsonObject,
    actor: Actor,
    now: datetime,
    grace_s: float = 0.0,
    is_undoing: bool | None = None,
) -> Collection[UUID]:
    """This will end a run like `end`, but keep its slots free; gives their gates, for `slots.hand_on`.

    None are given where the run owes something before its end. A run that failed is buried; of one that was cancelled
    nobody waits any more for what was requeued.
    """
    program = plans.program_of(run.program_id)
    definition = program.plan.definition
    wanted = is_undoing
    if wanted is None:
        wanted = definition.cancel.is_undoing if state is RunState.CANCELLED else definition.undoes_on_failure
    has_begun = not Activation.objects.filter(run=run, wait_reason__in=_NOT_BEGUN).exists()
    leaving = closing.leaving(run, program=program, ending=state, error=error, is_undoing=wanted and has_begun)
    closing.close_subjects(leaving, actor=actor, at=now)
    stopped = stopping.stop(run.id, plan=program.plan, notice=Notice.STOP if grace_s > 0 else Notice.NONE, now=now)
    told: dict[str, object] = {"reason": error["message"], "stopped_steps": list(stopped.steps)}
    until = now + timedelta(seconds=grace_s) if stopped.going else None
    freed: Collection[UUID] = ()
    if stopped.active or (has_begun and _owes(leaving)):
        closing.enter(leaving, actor=actor, at=now, until=until, told={**told, "going_steps": sorted(stopped.active)})
        freed = _go_on(leaving, active=stopped.active, actor=actor, now=now)
    else:
        freed = closing.end(leaving, state=state, actor=actor, at=now, has_stopped=True, told=told)
    if state is RunState.CANCELLED:
        _give_up_trials(run, now=now)
    elif not run.is_dry:
        burials.bury([_burial(run, error=error, stopped=stopped.steps, now=now)])
    return freed


def _owes(leaving: Leaving) -> bool:
    return bool(closing.follows(leaving, active=frozenset()).ready)


def _go_on(leaving: Leaving, *, active: Collection[str], actor: Actor, now: datetime) -> Collection[UUID]:
    """Start what comes next, or end the run where nothing does."""
    follows = closing.follows(leaving, active=frozenset(active))
    closing.decide(leaving, decided=follows.decided, at=now)
    closing.start(leaving, entries=follows.ready, at=now)
    if follows.run_state is None:
        return ()
    return closing.end(leaving, state=follows.run_state, actor=actor, at=now, has_stopped=True)


def _end_grace(run: Run, *, now: datetime) -> Collection[UUID]:
    """What has not ended in its grace is taken from its worker; nobody knows whether it happened."""
    program = plans.program_of(run.program_id)
    leaving = closing.resumed(run, program=program)
    closing.close_subjects(leaving, actor=ENGINE, at=now)
    stopped = stopping.stop(run.id, plan=program.plan, notice=Notice.NONE, now=now)
    Run.objects.filter(id=run.id).update(deadline_at=None)
    return _go_on(leaving, active=stopped.active, actor=ENGINE, now=now)


def _force(run: Run, *, error: JsonObject, actor: Actor, now: datetime) -> None:
    """End the run at once, whatever it owes; what was to be undone and is not, is said in its error."""
    program = plans.program_of(run.program_id)
    if run.ending:
        leaving = closing.resumed(run, program=program)
    else:
        is_undoing = program.plan.definition.cancel.is_undoing
        leaving = closing.leaving(run, program=program, ending=RunState.CANCELLED, error=error, is_undoing=is_undoing)
    closing.close_subjects(leaving, actor=actor, at=now)
    stopped = stopping.stop(run.id, plan=program.plan, notice=Notice.NONE, now=now, is_forced=True)
    if leaving.ending is RunState.CANCELLED:
        _give_up_trials(run, now=now)
    freed = closing.end(
        leaving,
        state=leaving.ending,
        actor=actor,
        at=now,
        has_stopped=True,
        told={"reason": error["message"], "stopped_steps": list(stopped.steps), "is_forced": True},
    )
    slots.hand_on(freed, now=now)


def _give_up_trials(run: Run, *, now: datetime) -> None:
    """Only what was requeued before has trials; they are not waited for, because this may happen inside a gate."""
    if run.round:
        list(DeadLetter.objects.select_for_update(nowait=True).filter(run_id=run.id, trial=TrialState.PENDING))
        trials.give_up_run(run_id=run.id, at=now)


def _burial(run: Run, *, error: JsonObject, stopped: Sequence[str], now: datetime) -> Burial:
    return Burial(
        run_id=run.id,
        correlation_id=run.correlation_id,
        cause=FailureCause(
            workflow_name=run.workflow_name, step="", kind=str(error["kind"]), message=str(error["message"])
        ),
        index=None,
        payload={"stopped_steps": list(stopped)},
        attempts=1,
        round=run.round,
        at=now,
    )
