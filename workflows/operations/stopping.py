"""Stops what is under way in a run that is leaving, inside the caller's transaction; the run is locked.

What waits is taken away; what a worker has in hand is taken away too, or its worker gets notice that nothing comes
after it. A result that arrives for what was taken away finds its lease gone, is recorded and changes nothing.
"""

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from workflows import store
from workflows.core.definition import JsonObject
from workflows.core.outcome import LOST
from workflows.core.plan import Plan
from workflows.core.states import ActivationState, ItemState, Notice, StepState
from workflows.models import Activation, Item, Step
from workflows.operations import child_ends, limits

UNKNOWN: JsonObject = {"kind": LOST.kind.value, "message": LOST.message}
"""What is known of an attempt that was taken from its worker."""
_UNENDED = (ItemState.READY, ItemState.RUNNING, ItemState.WAITING)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The steps that were stopped, those whose workers may still end them, and those that wait for runs they began."""

    steps: Sequence[str]
    going: Set[str]
    staying: Set[str]

    @property
    def active(self) -> Set[str]:
        """This will give the steps that have not ended yet."""
        return self.going | self.staying


def stop(
    run_id: UUID, *, plan: Plan, notice: Notice, now: datetime, skips: bool = False, is_forced: bool = False
) -> Stopped:
    """This will stop the activations of a run; those in a worker's hands go on if there is a `notice` for them.

    What waits for a run that is cancelled with this one waits for its end, unless it `is_forced`.
    `skips`: a step that has not begun is left without an end, for the caller to skip it.

    Raises OperationalError when somebody is committing a result at this moment.
    """
    activations = list(Activation.objects.select_for_update(nowait=True).filter(run_id=run_id).order_by("id"))
    going = [one for one in activations if notice and one.state == ActivationState.LEASED]
    runs = {} if is_forced else child_ends.awaited(run_id, plan=plan)
    staying = child_ends.keep([one for one in activations if one not in going], plan=plan, runs=runs)
    gone = [one for one in activations if one not in going and one not in staying]
    staying_steps = _steps_at(staying, plan=plan)
    going_steps = _steps_at(going, plan=plan)
    begun = [one for one in gone if one.step_started_at is not None or not skips]
    stopped = _end_steps(run_id, plan=plan, activations=begun, going=going_steps | staying_steps, now=now)
    Activation.objects.filter(id__in=[one.id for one in gone]).delete()
    Activation.objects.filter(id__in=[one.id for one in going]).update(notice=notice)
    freed = sorted({limit for step in stopped for limit in plan.graph.steps[step].limits})
    if freed:
        transaction.on_commit(partial(limits.wake, freed))
    return Stopped(stopped, going_steps, staying_steps)


def end_items(run_id: UUID, *, step: str, now: datetime) -> int:
    """This will end the items of a step that have not ended, and say how many."""
    items = Item.objects.filter(run_id=run_id, step=step, state__in=_UNENDED)
    return items.update(state=ItemState.CANCELLED, due_at=None, ended_at=now)


def note_unknown(run_id: UUID, *, step: str, indexes: Collection[int]) -> None:
    """This will write down that nobody knows what items did; those that have not ended are not begun again."""
    if indexes:
        Item.objects.filter(run_id=run_id, step=step, index__in=indexes).update(error=UNKNOWN)


def _in_hand(puller: Activation, *, step: str) -> Sequence[int]:
    """The item a puller was at; those it took with it had not begun, or may be repeated."""
    held = store.held_items(
        run_id=puller.run_id,
        step=step,
        first=puller.range_start,
        until=puller.range_end,
        slot=puller.slot,
    )
    return [item.index for item in held[:1]]


def _steps_at(activations: Sequence[Activation], *, plan: Plan) -> Set[str]:
    return {plan.segments[one.segment].steps[one.position] for one in activations}


def _end_steps(
    run_id: UUID, *, plan: Plan, activations: Sequence[Activation], going: Set[str], now: datetime
) -> list[str]:
    """The steps they stood at are stored as cancelled, with what is known of their attempts."""
    stopped: dict[str, Step] = {}
    for activation in activations:
        segment = plan.segments[activation.segment]
        step = segment.steps[activation.position]
        if activation.owner and segment.is_map:
            note_unknown(run_id, step=step, indexes=_in_hand(activation, step=step))
        if step in going:  # other pullers of the same `for_each` go on, and the last of them ends it
            continue
        is_lost = activation.owner != "" and not segment.is_map
        stopped[step] = Step(
            run_id=run_id,
            step=step,
            state=StepState.CANCELLED,
            error=UNKNOWN if is_lost else None,
            attempts=0,
            started_at=activation.step_started_at,
            ended_at=now,
        )
    Step.objects.bulk_create(stopped.values())
    for step in stopped:
        if plan.graph.steps[step].for_each is not None:
            end_items(run_id, step=step, now=now)
    return sorted(stopped)
