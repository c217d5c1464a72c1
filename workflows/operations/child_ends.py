"""What the end of a run means to those it is tied to: the steps that wait for it, and the runs its steps have started.

It runs inside the transaction that ends the run, and locks no other run: what has to be done with one is written down,
and `workflows/operations/children.py` does it.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.models import Case, Exists, F, OuterRef, QuerySet, When
from django.db.models.functions import Now

from workflows import plans, statements
from workflows.core.outcome import NEVER
from workflows.core.plan import Plan
from workflows.core.states import ActivationState, ItemState, Notice, RunState, StepState, WaitReason
from workflows.core.subworkflow import USES, Mode, ParentEnd
from workflows.models import Activation, ChildRun, Item, Run, Step
from workflows.operations import waking
from workflows.operations.subjects import Cause, Closing
from workflows.operations.waking import Waiting

_STILL_WANTED = (Cause.STEP_REVIVED,)
_STEP_OF_LINK = {"run_id": OuterRef("parent_id"), "step": OuterRef("step")}
_FAILED_STEP = Step.objects.filter(**_STEP_OF_LINK, state=StepState.FAILED)
_FAILED_ITEM = Item.objects.filter(**_STEP_OF_LINK, index=OuterRef("index"), state=ItemState.FAILED)


def tell_parents(run_id: UUID, *, state: RunState, round_: int) -> None:
    """This will wake the steps that wait for a run which ends now.

    One that succeeds after it had failed may have a parent that failed with it: that one is owed another look.
    """
    links = ChildRun.objects.filter(child_id=run_id)
    if state is RunState.SUCCEEDED and round_:
        links.update(is_owed=True)
    waiting = list(links.filter(mode=Mode.WAIT).order_by("id").values_list("parent_id", "step", "index"))
    waking.wake_all([Waiting(*one) for one in waiting])
    for parent_id, step in sorted({(parent_id, step) for parent_id, step, index in waiting if index is not None}):
        _wake_leaving(parent_id, step=step)


def close(closing: Closing) -> None:
    """This will have the runs cancelled that a step, or all steps of a run, have started and that shall not go on.

    One that goes on although its step has failed was brought back by somebody: the failure of the parent is no reason
    to stop that.
    """
    if closing.cause in _STILL_WANTED:
        return
    links = _running(closing.run_id).filter(step__in=closing.steps, is_own=True, order="")
    if closing.index is not None:
        links = links.filter(index=closing.index)
    if closing.cause is Cause.RUN_ENDED:
        links = links.exclude(Exists(_FAILED_STEP), mode=Mode.WAIT, index__isnull=True)
        links = links.exclude(Exists(_FAILED_ITEM), mode=Mode.WAIT, index__isnull=False)
    links.filter(on_parent_end__in=(ParentEnd.CANCEL, ParentEnd.REQUEST)).update(order="wanted")


def awaited(run_id: UUID, *, plan: Plan) -> Mapping[str, UUID]:
    """This will give the steps of a run whose runs are cancelled with it, each with one of them.

    The run ends after those have ended.
    """
    if all(step.uses != USES for step in plan.graph.steps.values()):
        return {}
    links = _running(run_id).filter(mode=Mode.WAIT, on_parent_end=ParentEnd.CANCEL, is_own=True)
    return dict(links.order_by("-id").values_list("step", "child_id"))


def keep(activations: Sequence[Activation], *, plan: Plan, runs: Mapping[str, UUID]) -> Sequence[Activation]:
    """This will have one activation of each of these steps wait for the run it has started; gives those.

    Whoever has one in hand has lost it: a result that comes changes nothing.
    """
    kept: dict[str, Activation] = {}
    for one in activations:
        step = plan.segments[one.segment].steps[one.position]
        if step in runs:
            kept.setdefault(step, one)
    for step, one in kept.items():
        is_map = plan.segments[one.segment].is_map
        Activation.objects.filter(id=one.id).update(
            notice=Notice.STOP,
            state=ActivationState.WAITING,
            wait_reason=WaitReason.ITEMS if is_map else WaitReason.CHILD_RUN,
            wait_object=str(runs[step]),
            owner="",
            epoch=F("epoch") + 1,
            due_at=NEVER,
            parked_at=Now(),
            begun_at=one.begun_at or one.step_started_at,
        )
    return list(kept.values())


def _running(parent_id: UUID) -> QuerySet[ChildRun]:
    running = Run.objects.filter(id=OuterRef("child_id"), state=RunState.RUNNING)
    return ChildRun.objects.filter(Exists(running), parent_id=parent_id)


def _wake_leaving(run_id: UUID, *, step: str) -> None:
    """Of a run that is ending, no item is looked at any more: its puller waits until all their runs have ended.

    It is locked whatever it is doing, so that it either sees this end or is seen asleep.
    """
    run = Run.objects.only("id", "version_id", "grown_id").filter(id=run_id).first()
    if run is None:  # it has ended long ago, and is not kept any more
        return
    segment, _ = plans.program_of(run.program_id).plan.place_of[step]
    pullers = Activation.objects.filter(run_id=run_id, segment=segment, notice__gt=0)
    asleep = When(state=ActivationState.WAITING, then=Now())
    if pullers.update(due_at=Case(asleep, default=F("due_at"))):
        statements.run("notify", {})
