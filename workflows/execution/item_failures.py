"""What failed items mean to their `for_each`: dead letters, or tolerated; and when the rest is stopped."""

from collections.abc import Sequence

from django.db.models import Q
from django.db.models.functions import Now

from workflows import statements
from workflows.core.states import ActivationState, ItemState, WaitReason
from workflows.execution import dead_letters
from workflows.execution.cursor import ENGINE, Cursor
from workflows.execution.dead_letters import Death
from workflows.models import Activation, Fanout, Item
from workflows.operations import subjects
from workflows.operations.subjects import Cause


def bury(cursor: Cursor, deaths: Sequence[Death]) -> None:
    """This will keep the last attempts of failed items, and stop the others where no more may fail.

    It needs the lock of the run where the step has an `on_failure`. What is tolerated leaves no dead letter; what
    stops the step does. Items in the hands of other pullers end.
    """
    policy = cursor.step.on_failure
    if policy is None:
        dead_letters.bury(cursor, deaths)
        return
    claim = cursor.claim
    fanout = Fanout.objects.select_for_update().get(run_id=claim.run_id, step=cursor.step.id)
    failed = Item.objects.filter(run_id=claim.run_id, step=cursor.step.id, state=ItemState.FAILED).count()
    if policy.allows(failed=failed, total=fanout.total):
        dead_letters.note(cursor, deaths)
        return
    dead_letters.bury(cursor, deaths)
    _stop(cursor, fanout=fanout, at=deaths[-1])


def _stop(cursor: Cursor, *, fanout: Fanout, at: Death) -> None:
    """Cancel what nobody has begun: items not taken, those that wait for a retry, the rest in this puller's hands."""
    claim = cursor.claim
    own = Activation.objects.get(id=claim.id)
    untouched = Q(state=ItemState.READY, index__gte=fanout.next_index)
    asleep = Q(state=ItemState.WAITING)
    in_hand = Q(state=ItemState.READY, index__gte=own.range_start, index__lt=own.range_end)
    retried = Q(state=ItemState.RUNNING, due_at__isnull=True, slot=claim.slot)
    items = Item.objects.filter(untouched | asleep | in_hand | retried, run_id=claim.run_id, step=cursor.step.id)
    items.update(state=ItemState.CANCELLED, due_at=None, slot=None, ended_at=at.at)
    Fanout.objects.filter(run_id=claim.run_id, step=cursor.step.id).update(next_index=fanout.total)
    if cursor.step.uses in cursor.program.subjects:
        subjects.close_step(
            cursor.step.uses,
            run_id=claim.run_id,
            step=cursor.step.id,
            index=None,
            cause=Cause.STEP_STOPPED,
            actor=ENGINE,
            now=at.at,
        )
    pullers = Activation.objects.filter(run_id=claim.run_id, segment=claim.segment)
    if pullers.filter(state=ActivationState.WAITING, wait_reason=WaitReason.ITEMS).update(due_at=Now()):
        statements.run("notify", {})
    cursor.has_stopped = True
