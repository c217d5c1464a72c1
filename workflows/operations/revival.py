"""Puts the work of a run that goes on again back into its place, inside the caller's transaction.

What has succeeded is never touched. What a deadline stopped in somebody's hands may have happened: it comes back as
a lost attempt, and the law of losses decides whether there is another one (`workflows/execution/losses.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Max
from django.db.models.expressions import Combinable
from django.db.models.functions import Least, Now

from workflows.core.definition import StepDefinition
from workflows.core.states import ActivationState, DeadLetterState, FailureKind, ItemState, Phase, StepState, WaitReason
from workflows.models import Activation, DeadLetter, Fanout, Item, Run, Step
from workflows.operations import subjects, timings
from workflows.operations.incidents import ENGINE
from workflows.operations.subjects import Cause
from workflows.plans import Program

_STOPPED = "deadline"
"""The owner of what a deadline stopped: nobody who answers."""


_ANEW: Mapping[str, object] = {
    "attempt": 1,
    "error": None,
    "previous_delay_s": None,
    "started_at": None,
    "ended_at": None,
    "wait_reason": "",
    "wait_object": "",
    "parked_at": None,
    "parked_s": 0.0,
    "is_woken": False,
}
"""The columns of an item that begins again: nothing of what it was before, and of what it waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comeback:
    """A run that goes on, from when. `delay_s` is counted by the database's clock, `now` is the caller's."""

    run: Run
    program: Program
    delay_s: float
    now: datetime

    def activation(self, step: str, *, slot: int = 0, is_lost: bool = False, epoch: int = 0) -> Activation:
        """This will be a place in the plan that is due, and not before its time."""
        segment, position = self.program.plan.place_of[step]
        is_paced = self.delay_s > 0
        return Activation(
            run_id=self.run.id,
            version_id=self.program.version_id,
            segment=segment,
            slot=slot,
            position=position,
            round=self.run.round,
            state=ActivationState.WAITING if is_paced else ActivationState.READY,
            wait_reason=WaitReason.RETRY if is_paced else WaitReason.WORKER,
            due_at=self.due_at,
            owner=_STOPPED if is_lost else "",
            epoch=epoch,
            lane=self.program.plan.segments[segment].lane,
            priority=self.run.priority,
            fairness_key=self.run.fairness_key,
            fairness_weight=self.run.fairness_weight,
            created_at=self.now,
            **timings.columns(self.program.plan.graph.steps[step].allowance, delay_s=self.delay_s),
        )

    @property
    def due_at(self) -> Combinable:
        """This will be the instant it goes on, in the database's time."""
        return Now() + timedelta(seconds=self.delay_s)


def restart(comeback: Comeback, *, letter: DeadLetter) -> None:
    """This will forget how a step ended, and how the steps behind it were decided because of that; make it due."""
    run, step = comeback.run, letter.step
    _close_subject(comeback, step=step, index=letter.index)
    _forget(comeback, step=step)
    if letter.index is None:
        comeback.activation(step, slot=_free_slot(comeback, step=step)).save(force_insert=True)
        return
    _lock_pullers(comeback, step=step)
    Item.objects.filter(run_id=run.id, step=step, index=letter.index).update(
        state=ItemState.WAITING, due_at=comeback.due_at, slot=None, round=run.round, **_ANEW
    )
    definition = comeback.program.plan.graph.steps[step]
    others = 0 if definition.on_failure is None else _bring_back_others(comeback, letter=letter)
    for _ in range(min(definition.parallel, 1 + others)):
        _call_puller(comeback, step=definition)


def _bring_back_others(comeback: Comeback, *, letter: DeadLetter) -> int:
    """What was stopped because this item failed, and what failed before and was tolerated; those with a letter stay."""
    run_id, step = comeback.run.id, letter.step
    letters = DeadLetter.objects.filter(run_id=run_id, step=step, index__isnull=False, state=DeadLetterState.OPEN)
    known = [index for index in letters.exclude(id=letter.id).values_list("index", flat=True) if index is not None]
    items = Item.objects.filter(run_id=run_id, step=step, state__in=(ItemState.CANCELLED, ItemState.FAILED))
    return items.exclude(index__in=known).update(
        state=ItemState.WAITING, due_at=comeback.due_at, slot=None, round=comeback.run.round, **_ANEW
    )


def revive(comeback: Comeback, *, phase: Phase = Phase.MAIN) -> Sequence[str]:
    """This will bring back the steps of a phase that were stopped, by the run's deadline or by force; gives which."""
    steps = comeback.program.plan.graph.steps
    rows = Step.objects.filter(run_id=comeback.run.id, state=StepState.CANCELLED).order_by("step")
    stopped = [row for row in rows if steps[row.step].phase is phase]
    for row in stopped:
        _close_subject(comeback, step=row.step, index=None)
        _forget(comeback, step=row.step)
        definition = comeback.program.plan.graph.steps[row.step]
        if Fanout.objects.filter(run_id=comeback.run.id, step=row.step).exists():
            _revive_items(comeback, step=definition)
        else:
            slot = _free_slot(comeback, step=row.step)
            comeback.activation(row.step, slot=slot, is_lost=_is_lost(row.error)).save(force_insert=True)
    return [row.step for row in stopped]


def _close_subject(comeback: Comeback, *, step: str, index: int | None) -> None:
    """What it waited for before is over: the new round asks anew."""
    uses = comeback.program.plan.graph.steps[step].uses
    if uses in comeback.program.subjects:
        subjects.close_step(
            uses,
            run_id=comeback.run.id,
            step=step,
            index=index,
            cause=Cause.STEP_REVIVED,
            actor=ENGINE,
            now=comeback.now,
        )


def _forget(comeback: Comeback, *, step: str) -> None:
    never_ran = Step.objects.filter(
        run_id=comeback.run.id, state__in=(StepState.SKIPPED, StepState.UPSTREAM_FAILED), attempts=0
    ).values_list("step", flat=True)
    graph = comeback.program.plan.graph
    behind = [other for other in never_ran if step in graph.upstream(other)]
    Step.objects.filter(run_id=comeback.run.id, step__in=[step, *behind]).delete()


def _free_slot(comeback: Comeback, *, step: str) -> int:
    """A step behind it in the same segment may be under way, because it had failed."""
    segment, _ = comeback.program.plan.place_of[step]
    others = Activation.objects.filter(run_id=comeback.run.id, segment=segment)
    highest = others.aggregate(slot=Max("slot"))["slot"]
    return 0 if highest is None else int(highest) + 1


def _lock_pullers(comeback: Comeback, *, step: str) -> None:
    """Pullers are locked before items: one that is about to sleep sees what comes back, or is seen asleep."""
    segment, _ = comeback.program.plan.place_of[step]
    pullers = Activation.objects.select_for_update().filter(run_id=comeback.run.id, segment=segment)
    list(pullers.order_by("id").values_list("id"))


def _call_puller(comeback: Comeback, *, step: StepDefinition) -> None:
    """A requeued item gets a puller of its own while there are fewer than `parallel`; else one that sleeps is woken."""
    segment, _ = comeback.program.plan.place_of[step.id]
    pullers = Activation.objects.filter(run_id=comeback.run.id, segment=segment)
    highest = pullers.aggregate(slot=Max("slot"))["slot"]
    if highest is None or pullers.count() < step.parallel:
        comeback.activation(step.id, slot=(highest or 0) + 1).save(force_insert=True)
        return
    pullers.filter(state=ActivationState.WAITING).update(due_at=Least(F("due_at"), comeback.due_at))


def _revive_items(comeback: Comeback, *, step: StepDefinition) -> None:
    """Items nobody had taken wait for their turn; those under way come back as lost; the others are tried again."""
    run_id = comeback.run.id
    taken = Fanout.objects.get(run_id=run_id, step=step.id).next_index
    stopped = Item.objects.filter(run_id=run_id, step=step.id, state=ItemState.CANCELLED)
    lost = [index for index, error in stopped.order_by("index").values_list("index", "error") if _is_lost(error)]
    for slot, index in enumerate(lost, start=1):
        Item.objects.filter(run_id=run_id, step=step.id, index=index).update(
            state=ItemState.RUNNING, slot=slot, due_at=None, **_ANEW
        )
    stopped.filter(index__gte=taken).update(state=ItemState.READY, slot=None, due_at=None, **_ANEW)
    stopped.update(state=ItemState.WAITING, slot=None, due_at=comeback.due_at, **_ANEW)
    pullers = max(len(lost), min(step.parallel, Item.objects.filter(run_id=run_id, step=step.id).count()))
    Activation.objects.bulk_create(
        comeback.activation(step.id, slot=slot, is_lost=slot <= len(lost), epoch=1 if slot <= len(lost) else 0)
        for slot in range(1, pullers + 1)
    )


def _is_lost(error: object) -> bool:
    return isinstance(error, dict) and error.get("kind") == FailureKind.LOST
