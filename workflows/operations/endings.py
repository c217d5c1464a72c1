"""Ends runs from outside: on somebody's wish, or because their deadline has passed.

The activations go with the run: a result that arrives later finds its lease gone, is recorded and changes nothing.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import psycopg
from django.db import OperationalError, transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from workflows import plans, store
from workflows.core.definition import JsonObject
from workflows.core.outcome import LOST
from workflows.core.states import ItemState, RunState, StepState
from workflows.errors import RunEnded, UnknownRun
from workflows.models import Activation, Item, Run, Step
from workflows.operations import burials, trials
from workflows.operations.burials import Burial
from workflows.operations.incidents import ENGINE, Cause

_Result = TypeVar("_Result")
_UNKNOWN: JsonObject = {"kind": LOST.kind.value, "message": LOST.message}
_PATIENCE_S = 5.0
_PAUSE_S = 0.005


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
        _end(run, state=RunState.CANCELLED, error=error, actor=actor, now=now)
        trials.give_up_run(run_id=run_id, at=now)
        return run

    return _between_steps(cancel)


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
        stopped = _end(run, state=RunState.FAILED, error=error, actor=ENGINE, now=now)
        burials.bury([_burial(run, error=error, stopped=stopped, now=now)])
        return True

    return _between_steps(expire)


def _between_steps(act: Callable[[], _Result]) -> _Result:
    """Act in a transaction, again and again until no worker is committing a step of the run at the same moment.

    A worker that ends a run takes the activation first and then the run, we the other way round: it goes first.
    """
    give_up_at = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with transaction.atomic():
                return act()
        except OperationalError as error:
            is_busy = isinstance(error.__cause__, psycopg.errors.LockNotAvailable)
            if not is_busy or time.monotonic() > give_up_at:
                raise
        time.sleep(_PAUSE_S)


def _burial(run: Run, *, error: JsonObject, stopped: Sequence[str], now: datetime) -> Burial:
    return Burial(
        run_id=run.id,
        correlation_id=run.correlation_id,
        cause=Cause(workflow_name=run.workflow_name, step="", kind=str(error["kind"]), message=str(error["message"])),
        index=None,
        payload={"stopped_steps": list(stopped)},
        attempts=1,
        round=run.round,
        at=now,
    )


def _end(run: Run, *, state: RunState, error: JsonObject, actor: Actor, now: datetime) -> Sequence[str]:
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
    return stopped


def _stop_activations(run: Run, *, now: datetime) -> list[str]:
    """Delete what is under way; the steps it stood at are stored as cancelled, with what is known of their attempts."""
    plan = plans.program_of(run.version_id).plan
    activations = list(Activation.objects.select_for_update(nowait=True).filter(run=run).order_by("id"))
    stopped: dict[str, Step] = {}
    in_hand: dict[str, list[int]] = defaultdict(list)
    for activation in activations:
        segment = plan.segments[activation.segment]
        step = segment.steps[activation.position]
        is_lost = activation.owner != "" and not segment.is_map
        if activation.owner and segment.is_map:
            in_hand[step].extend(_in_hand(activation, step=step))
        stopped[step] = Step(
            run_id=run.id,
            step=step,
            state=StepState.CANCELLED,
            error=_UNKNOWN if is_lost else None,
            attempts=0,
            started_at=activation.step_started_at,
            ended_at=now,
        )
    Step.objects.bulk_create(stopped.values())
    unended = (ItemState.READY, ItemState.RUNNING, ItemState.WAITING)
    Item.objects.filter(run_id=run.id, state__in=unended).update(state=ItemState.CANCELLED, due_at=None, ended_at=now)
    for step, indexes in in_hand.items():
        Item.objects.filter(run_id=run.id, step=step, index__in=indexes).update(error=_UNKNOWN)
    Activation.objects.filter(run=run).delete()
    return sorted(stopped)


def _in_hand(activation: Activation, *, step: str) -> Sequence[int]:
    """The item a puller was at; those it took with it had not begun, or may be repeated."""
    held = store.held_items(
        run_id=activation.run_id,
        step=step,
        first=activation.range_start,
        until=activation.range_end,
        slot=activation.slot,
    )
    return [item.index for item in held[:1]]
