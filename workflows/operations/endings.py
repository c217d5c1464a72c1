"""Ends runs from outside: on somebody's wish, or because their deadline has passed.

The activations go with the run: a result that arrives later finds its lease gone, is recorded and changes nothing.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from audit import operations as audit
from audit.events import Actor, ActorKind, Event, EventKind
from workflows import plans
from workflows.core.definition import JsonObject
from workflows.core.states import ItemState, RunState, StepState
from workflows.errors import RunEnded, UnknownRun
from workflows.models import Activation, Item, Run, Step
from workflows.operations import slots
from workflows.operations.patience import between_steps


def cancel_run(*, run_id: UUID, actor: Actor, now: datetime, reason: str = "") -> Run:
    """This will end a running run as cancelled. Cancelling it again gives the run as it is.

    Raises UnknownRun, RunEnded when it ended in another way.
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
        end(run, state=RunState.CANCELLED, error=error, actor=actor, now=now)
        return run

    return between_steps(cancel)


def expire_run(*, run_id: UUID, now: datetime) -> bool:
    """This will fail a run whose deadline has passed; False when it has ended meanwhile."""

    def expire() -> bool:
        run = Run.objects.select_for_update().filter(id=run_id, state=RunState.RUNNING).first()
        if run is None or run.deadline_at is None or run.deadline_at > now:
            return False
        error = {
            "kind": "deadline",
            "message": f"did not end before its deadline {run.deadline_at.isoformat()}",
            "step": None,
        }
        end(run, state=RunState.FAILED, error=error, actor=Actor(kind=ActorKind.ENGINE), now=now)
        return True

    return between_steps(expire)


def end(run: Run, *, state: RunState, error: JsonObject, actor: Actor, now: datetime) -> None:
    """This will end a running run that the transaction has locked; raises OperationalError when a worker is at it."""
    slots.hand_on(stop(run, state=state, error=error, actor=actor, now=now), now=now)


def stop(run: Run, *, state: RunState, error: JsonObject, actor: Actor, now: datetime) -> Collection[UUID]:
    """This will end a run like `end`, but keep its slots free; gives their gates, for `slots.hand_on`."""
    stopped = _stop_activations(run, now=now)
    run.state, run.error, run.ended_at = state, error, now
    run.save(update_fields=["state", "error", "ended_at"])
    audit.record(
        Event(
            kind=EventKind.RUN_CANCELLED if state is RunState.CANCELLED else EventKind.RUN_FAILED,
            actor=actor,
            subject_type="run",
            subject_id=str(run.id),
            correlation_id=run.correlation_id,
            at=now,
            payload={
                "workflow": run.workflow_name,
                "failure": error["kind"],
                "reason": error["message"],
                "stopped_steps": stopped,
            },
        )
    )
    if plans.program_of(run.version_id).takes_slots:
        return slots.leave(run.id, is_patient=False)
    return ()


def _stop_activations(run: Run, *, now: datetime) -> list[str]:
    """Delete what is under way; the steps it stood at are stored as cancelled."""
    plan = plans.program_of(run.version_id).plan
    activations = Activation.objects.select_for_update(nowait=True).filter(run=run).order_by("id")
    stopped = {
        plan.segments[activation.segment].steps[activation.position]: activation.step_started_at
        for activation in activations
    }
    Step.objects.bulk_create(
        Step(
            run_id=run.id,
            step=step,
            state=StepState.CANCELLED,
            attempts=0,
            started_at=started_at,
            ended_at=now,
        )
        for step, started_at in stopped.items()
    )
    unended = (ItemState.READY, ItemState.RUNNING, ItemState.WAITING)
    Item.objects.filter(run_id=run.id, state__in=unended).update(state=ItemState.CANCELLED, due_at=None, ended_at=now)
    Activation.objects.filter(run=run).delete()
    return sorted(stopped)
