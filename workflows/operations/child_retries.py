"""Ties the retry of a run to the step that waits for the run, or has failed with it: the retry stands for the run.

It runs in the transaction of the retry, which has the retried run locked. Of the parent it locks nothing but the
activation that waits, as the end of a run does; see `workflows/operations/child_ends.py`.
"""

from collections.abc import Sequence

from django.db.models import F, OuterRef, Subquery

from workflows.core.states import DeadLetterState, RunState
from workflows.core.subworkflow import Mode, is_retry_wanted
from workflows.models import ChildRun, DeadLetter, Item, Run, Step
from workflows.operations import waking
from workflows.operations.waking import Waiting


def tie(run: Run, *, retry: Run) -> Sequence[Waiting]:
    """This will have the steps that `run` was started for wait for its retry, or come back when that has succeeded.

    Those whose runs have gone another way since stay as they are. Gives the steps.
    """
    tied: list[Waiting] = []
    for link in _latest_of(run) if run.state != RunState.SUCCEEDED else ():
        if _is_wanted(link) and ChildRun.objects.filter(id=link.id, child_id=run.id).update(
            child_id=retry.id, order="", is_owed=False
        ):
            tied.append(Waiting(link.parent_id, link.step, link.index))
    if tied:
        Run.objects.filter(id=retry.id).update(is_awaited=True)
        waking.wake_all(tied)
    return tied


def _is_wanted(link: ChildRun) -> bool:
    parent = Run.objects.only("state", "ending").filter(id=link.parent_id).first()
    if parent is None:
        return False
    place = {"run_id": link.parent_id, "step": link.step}
    if link.index is None:
        has_ended = Step.objects.filter(**place).exists()
    else:
        has_ended = Item.objects.filter(**place, index=link.index, ended_at__isnull=False).exists()
    letters = DeadLetter.objects.filter(**place, index=link.index, state=DeadLetterState.OPEN)
    return is_retry_wanted(
        RunState(parent.state), is_ending=bool(parent.ending), has_ended=has_ended, has_letter=letters.exists()
    )


def _latest_of(run: Run) -> Sequence[ChildRun]:
    """A step that has started another run since waits for that one."""
    newest = ChildRun.objects.filter(parent_id=OuterRef("parent_id"), step=OuterRef("step"))
    same_item = newest.filter(index__isnull=True), newest.filter(index=OuterRef("index"))
    links = ChildRun.objects.filter(child_id=run.id, mode=Mode.WAIT).order_by("id")
    found: list[ChildRun] = []
    for is_item, rows in zip((False, True), same_item, strict=True):
        latest = Subquery(rows.order_by("-round").values("round")[:1])
        found += links.filter(index__isnull=not is_item).annotate(latest=latest).filter(round=F("latest"))
    return found
