"""Opens a `for_each` (its items become rows, its pullers become due) and ends it with its last puller."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import Min, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from workflows import statements, store
from workflows.core import progress
from workflows.core.definition import JsonValue
from workflows.core.outcome import NEVER, Failed
from workflows.core.states import ActivationState, FailureKind, ItemState, Phase, StepState, UndoWhen, WaitReason
from workflows.core.storable import holds_nul
from workflows.core.waiting_kinds import WAITING_KINDS
from workflows.execution import frontier
from workflows.execution.cursor import Cursor
from workflows.execution.ends import StepEnd
from workflows.expressions import ExpressionFailed
from workflows.models import Activation, Fanout, Item
from workflows.operations import child_ends, stopping


def is_open(cursor: Cursor) -> bool:
    """This will tell whether the items of the current `for_each` are stored."""
    return Fanout.objects.filter(run_id=cursor.claim.run_id, step=cursor.step.id).exists()


def open_items(cursor: Cursor) -> Sequence[Cursor] | None:
    """This will store the items and make the other pullers due; None when this worker may pull at once.

    When there is nothing to pull (its `if` is false, the list is empty or unusable) the step ends here, and the
    cursors that go on are given.
    """
    now = timezone.now()
    program = cursor.current
    try:
        if program.condition is not None and not program.condition.evaluate(cursor.context):
            return frontier.end_step(_end(cursor, state=StepState.SKIPPED, at=now))
        values = done_items(cursor) if cursor.step.undoes else _listed(cursor)
    except ExpressionFailed as error:
        return _refuse(cursor, message=str(error), at=now)
    if not isinstance(values, Sequence) or isinstance(values, str):
        return _refuse(cursor, message=f"for_each gave {type(values).__name__}: it must give a list", at=now)
    if len(values) > settings.FOR_EACH_MAX_ITEMS:
        message = f"for_each gave {len(values)} items: at most {settings.FOR_EACH_MAX_ITEMS} are allowed"
        return _refuse(cursor, message=message, at=now)
    if holds_nul(store.dump(values).encode()):
        return _refuse(cursor, message="for_each gave a NUL character, which PostgreSQL cannot store", at=now)
    if not values:
        return frontier.end_step(_end(cursor, state=StepState.SUCCEEDED, at=now))
    return frontier.commit(cursor, lambda: _store(cursor, values=values, now=now))


def done_items(cursor: Cursor) -> Sequence[JsonValue]:
    """This will give the items an undo has to do with, in the reverse order of their list."""
    step = cursor.step
    items = Item.objects.filter(run_id=cursor.claim.run_id, step=step.undoes).order_by("-index")
    done = Q(state=ItemState.SUCCEEDED)
    if step.undo_when is UndoWhen.ATTEMPTED:
        done |= Q(started_at__isnull=False) & ~Q(error__kind=FailureKind.REFUSED)
        done |= Q(error__kind=FailureKind.LOST)
    return [
        {"index": index, "item": value, "state": state, "output": output}
        for index, value, state, output in items.filter(done).values_list("index", "value", "state", "output")
    ]


def _listed(cursor: Cursor) -> JsonValue:
    for_each = cursor.current.for_each
    return None if for_each is None else for_each.evaluate(cursor.context)


def end_puller(cursor: Cursor) -> Sequence[Cursor]:
    """This will end a puller that found nothing to take; the last one ends the step."""
    now = timezone.now()
    return frontier.commit(cursor, lambda: _end_puller(cursor, at=now))


def _end_puller(cursor: Cursor, *, at: datetime) -> Sequence[Cursor]:
    if not frontier.lock(cursor):
        return ()
    if cursor.claim.ending and cursor.phase is Phase.MAIN:
        return _cut_short(cursor, at=at)
    items = Item.objects.filter(run_id=cursor.claim.run_id, step=cursor.step.id)
    due_at = items.filter(due_at__isnull=False).aggregate(due_at=Min("due_at"))["due_at"]
    if due_at is not None:
        _wait(cursor, until=due_at)
        return ()
    others = Activation.objects.filter(run_id=cursor.claim.run_id, segment=cursor.claim.segment)
    others = others.exclude(id=cursor.claim.id)
    if others.exists():
        if cursor.step.uses in WAITING_KINDS:
            _wake(others)
        Activation.objects.filter(id=cursor.claim.id).delete()
        return ()
    return _end_step(cursor, at=at)


def _cut_short(cursor: Cursor, *, at: datetime) -> Sequence[Cursor]:
    """The run is ending: no other item begins, and the last puller ends the step with what was done."""
    claim = cursor.claim
    others = Activation.objects.filter(run_id=claim.run_id, segment=claim.segment).exclude(id=claim.id)
    if others.exists():
        Activation.objects.filter(id=claim.id).delete()
        return ()
    if not is_open(cursor):
        return frontier.end_in_transaction(_end(cursor, state=StepState.CANCELLED, at=at))
    if child_ends.awaited(claim.run_id, plan=cursor.program.plan).get(cursor.step.id):
        _wait(cursor, until=NEVER)
        return ()
    if stopping.end_items(claim.run_id, step=cursor.step.id, now=at):
        return frontier.end_in_transaction(_end(cursor, state=StepState.CANCELLED, at=at))
    return _end_step(cursor, at=at)


def _end_step(cursor: Cursor, *, at: datetime) -> Sequence[Cursor]:
    failure = _failure(cursor)
    state = StepState.SUCCEEDED if failure is None else StepState.FAILED
    end = _end(cursor, state=state, at=at, failure=failure)
    return frontier.end_in_transaction(end)


def _failure(cursor: Cursor) -> Failed | None:
    """Why the step fails, if its items make it fail."""
    items = Item.objects.filter(run_id=cursor.claim.run_id, step=cursor.step.id)
    failed = items.filter(state=ItemState.FAILED).count()
    policy = cursor.step.on_failure
    if not failed or (policy is not None and policy.allows(failed=failed, total=items.count())):
        return None
    message = f"{failed} of its items failed"
    stopped = items.filter(state=ItemState.CANCELLED).count() if policy is not None else 0
    if stopped:
        message += f", and {stopped} were stopped before they began"
    return Failed(kind=FailureKind.ERROR, message=message)


def _wake(others: QuerySet[Activation]) -> None:
    """Nothing is left to do for those who sleep until somebody wakes an item."""
    if others.filter(state=ActivationState.WAITING, wait_reason=WaitReason.ITEMS).update(due_at=Now()):
        statements.run("notify", {})


def _wait(cursor: Cursor, *, until: datetime) -> None:
    """Sleep until the next item may be tried again."""
    Activation.objects.filter(id=cursor.claim.id, epoch=cursor.claim.epoch).update(
        state=ActivationState.WAITING,
        wait_reason=WaitReason.ITEMS,
        owner="",
        due_at=until,
        range_start=0,
        range_end=0,
    )
    statements.run("notify", {})


def _store(cursor: Cursor, *, values: Sequence[JsonValue], now: datetime) -> Sequence[Cursor] | None:
    """Store the items; None: they may be pulled. Nothing is opened in a run that is ending."""
    claim = cursor.claim
    if not frontier.lock(cursor):
        return ()
    if cursor.claim.ending and cursor.phase is Phase.MAIN:
        return frontier.end_in_transaction(_end(cursor, state=StepState.CANCELLED, at=now))
    Fanout.objects.create(run_id=claim.run_id, step=cursor.step.id, total=len(values), started_at=now)
    store.open_items(run_id=claim.run_id, step=cursor.step.id, values=values)
    pullers = [
        Activation(
            run_id=claim.run_id,
            version_id=claim.version_id,
            segment=claim.segment,
            slot=slot,
            round=claim.round,
            due_at=Now(),
            lane=cursor.segment.lane,
            priority=claim.priority,
            fairness_key=claim.fairness_key,
            fairness_weight=claim.fairness_weight,
            created_at=now,
        )
        for slot in range(1, min(cursor.step.parallel, len(values)))
    ]
    if pullers:
        Activation.objects.bulk_create(pullers)
        statements.run("notify", {})
    return None


def _refuse(cursor: Cursor, *, message: str, at: datetime) -> Sequence[Cursor]:
    failure = Failed(kind=FailureKind.REFUSED, message=message)
    return frontier.end_step(_end(cursor, state=StepState.FAILED, at=at, failure=failure))


def _end(cursor: Cursor, *, state: StepState, at: datetime, failure: Failed | None = None) -> StepEnd:
    return StepEnd(
        cursor=cursor,
        state=state,
        output=None,
        output_text=None,
        failure=failure,
        follow=progress.Follow(decided=(), position=None),
        ended_at=at,
    )
