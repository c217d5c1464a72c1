"""Pulls the items of a `for_each` until none is left; opening and ending it is `workflows.execution.fanout`.

A puller holds the items it took through its activation: whoever inherits the activation after a loss goes on
with exactly those. Results of short items share a commit; a long one never waits for others.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit.events import EncodedEvent, EventKind
from workflows import plans, store
from workflows.core import retry
from workflows.core.outcome import Failed, Outcome, Postponed, Succeeded
from workflows.core.states import FailureKind, ItemState, StepState
from workflows.execution import attempts, dead_letters, fanout, frontier, losses
from workflows.execution.cursor import Cursor
from workflows.execution.dead_letters import Death
from workflows.execution.leases import keeper
from workflows.execution.turn import Turn
from workflows.models import Attempt
from workflows.operations import trials
from workflows.store import HeldItem, ItemRow

_MAX_TAKE = 200
_TARGET_S = 0.02
_SHARE_S = 0.005
_LOOK_BACK_S = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    """How one attempt of an item ended, not committed yet. `delay_s` is set when there is another one."""

    item: HeldItem
    outcome: Outcome
    delay_s: float | None
    started_at: datetime
    ended_at: datetime

    @property
    def failure(self) -> Failed | None:
        """This will give its failure, if it is one."""
        return self.outcome if isinstance(self.outcome, Failed) else None


def work(cursor: Cursor, *, turn: Turn) -> Sequence[Cursor]:
    """This will pull items until none is left or its turn is over; gives the cursors that go on."""
    over = begin(cursor)
    if over is not None:
        return over
    items = inherited(cursor)
    limit = 4
    look_back_at = 0.0
    while items or (items := take(cursor, limit=limit, is_looking_back=time.monotonic() > look_back_at)):
        began = time.monotonic()
        if began > look_back_at:
            look_back_at = began + _LOOK_BACK_S
        if not _work_on(cursor, items=items, turn=turn):
            return ()
        limit = _next_limit(items=len(items), seconds=time.monotonic() - began)
        items = ()
    return fanout.end_puller(cursor)


def begin(cursor: Cursor) -> Sequence[Cursor] | None:
    """This will open the `for_each` if nobody has; None: there may be items to pull."""
    if cursor.claim.slot == 0 and not fanout.is_open(cursor):
        return fanout.open_items(cursor)
    return None


def take(cursor: Cursor, *, limit: int, is_looking_back: bool) -> Sequence[HeldItem]:
    """This will take items: every now and then those first whose next attempt is due, and at the end always."""
    claim, step = cursor.claim, cursor.step
    if is_looking_back and (waiting := _take_waiting(cursor, limit=limit)):
        return waiting
    fresh = store.take_items(run_id=claim.run_id, step=step.id, hold=cursor.hold, limit=limit, parallel=step.parallel)
    return fresh or _take_waiting(cursor, limit=limit)


def _take_waiting(cursor: Cursor, *, limit: int) -> Sequence[HeldItem]:
    claim = cursor.claim
    return store.take_waiting_items(
        run_id=claim.run_id, step=cursor.step.id, hold=cursor.hold, slot=claim.slot, limit=limit
    )


def inherited(cursor: Cursor) -> Sequence[HeldItem]:
    """This will give the items that this activation held when it was last given back or lost.

    A loss costs the first of them an attempt: it was under way. The others had not begun, or were quick ones that
    share commits and may be repeated.
    """
    claim = cursor.claim
    if claim.epoch == 1:
        return ()
    held = store.held_items(
        run_id=claim.run_id,
        step=cursor.step.id,
        first=claim.range_start,
        until=claim.range_end,
        slot=claim.slot,
    )
    if not claim.was_lost or not held:
        return held
    lost, *others = held
    now = timezone.now()
    loss = losses.loss_of(cursor, item=lost)
    commit(cursor, results=[ended(cursor, item=lost, outcome=loss, started_at=now, ended_at=now)])
    return others


def _next_limit(*, items: int, seconds: float) -> int:
    per_item_s = max(seconds / items, 1e-6)
    return max(1, min(_MAX_TAKE, int(_TARGET_S / per_item_s)))


def _work_on(cursor: Cursor, *, items: Sequence[HeldItem], turn: Turn) -> bool:
    """Attempt items and commit their results; False when the lease is lost, or was given back for others' sake."""
    results: list[Result] = []
    oldest = time.monotonic()
    share_s = _SHARE_S if _may_share(cursor, items=items) else 0.0
    for position, item in enumerate(items):
        if not keeper.is_held(cursor.claim):
            if results:
                discard(cursor, results=results)
            return False
        result = _attempt(cursor, item=item)
        if isinstance(result.outcome, Postponed):
            if results:
                commit(cursor, results=results)
            postpone(cursor, pause=result.outcome)
            return False
        results.append(result)
        now = time.monotonic()
        is_final = position == len(items) - 1
        if is_final or now - oldest > share_s:
            if not commit(cursor, results=results):
                discard(cursor, results=results)
                return False
            results = []
            oldest = time.monotonic()
            if turn.is_over():
                store.release(holds=[cursor.hold], keeps_place=turn.is_preempted)
                return False
    return True


def postpone(cursor: Cursor, *, pause: Postponed) -> None:
    """This will put the puller aside with the items it holds: where one has no room, the next has none either."""
    store.postpone(holds=[cursor.postponed(pause)])


def discard(cursor: Cursor, *, results: Sequence[Result]) -> None:
    """This will note results that came to nothing, because the lease is lost."""
    frontier.note_discarded(cursor, state=StepState.SUCCEEDED, at=results[-1].ended_at)


def _may_share(cursor: Cursor, *, items: Sequence[HeldItem]) -> bool:
    """What has an effect outside, or no attempt to lose, is committed alone: a loss then tells which item it hit."""
    step, policy = cursor.step, cursor.step.retry
    return (
        plans.is_inside(step.uses)
        and not cursor.claim.was_lost
        and FailureKind.LOST in policy.on
        and all(item.attempt < policy.attempts for item in items)
    )


def _attempt(cursor: Cursor, *, item: HeldItem) -> Result:
    started_at = timezone.now()
    outcome = attempts.attempt_item(cursor, item=item, now=started_at)
    return ended(cursor, item=item, outcome=outcome, started_at=started_at, ended_at=timezone.now())


def ended(cursor: Cursor, *, item: HeldItem, outcome: Outcome, started_at: datetime, ended_at: datetime) -> Result:
    """This will say how an attempt of an item ended, and whether there is another one."""
    delay_s = None
    if isinstance(outcome, Failed) and outcome.is_repeatable:
        delay_s = retry.next_delay_s(
            cursor.step.retry,
            attempt=item.attempt,
            kind=outcome.kind,
            elapsed_s=(ended_at - (item.started_at or started_at)).total_seconds(),
            previous_delay_s=item.previous_delay_s,
            requested_s=outcome.requested_delay_s,
            dice=random.random,
        )
    return Result(item=item, outcome=outcome, delay_s=delay_s, started_at=started_at, ended_at=ended_at)


def commit(cursor: Cursor, *, results: Sequence[Result]) -> bool:
    """This will store results; False when the lease is lost and nothing changed."""
    if all(result.failure is None and not result.item.round for result in results):
        return _end_items(cursor, results=results)
    with transaction.atomic():
        if not _end_items(cursor, results=results):
            return False
        _note_failures(cursor, results=results)
        proven = [result for result in results if result.item.round and result.failure is None]
        if proven:
            indexes = [result.item.index for result in proven]
            at = proven[-1].ended_at
            trials.succeed(run_id=cursor.claim.run_id, step=cursor.step.id, indexes=indexes, at=at)
    return True


def _end_items(cursor: Cursor, *, results: Sequence[Result]) -> bool:
    return store.end_items(
        run_id=cursor.claim.run_id,
        step=cursor.step.id,
        hold=cursor.hold,
        results=[_row(result) for result in results],
        events=_events(cursor, results=results),
    )


def _note_failures(cursor: Cursor, *, results: Sequence[Result]) -> None:
    deaths: list[Death] = []
    for result in results:
        failure, item = result.failure, result.item
        if failure is None:
            continue
        if result.delay_s is None:
            deaths.append(
                Death(
                    index=item.index,
                    attempt=item.attempt,
                    round=item.round,
                    failure=failure,
                    started_at=result.started_at,
                    at=result.ended_at,
                )
            )
            continue
        Attempt.objects.create(
            run_id=cursor.claim.run_id,
            step=cursor.step.id,
            index=item.index,
            round=cursor.claim.round,
            attempt=item.attempt,
            kind=failure.kind.value,
            message=failure.message,
            evidence=dict(failure.evidence) or None,
            started_at=result.started_at,
            ended_at=result.ended_at,
            delay_s=result.delay_s,
        )
    if deaths:
        dead_letters.bury(cursor, deaths)


def _row(result: Result) -> ItemRow:
    outcome, failure = result.outcome, result.failure
    if failure is None:
        state = ItemState.SUCCEEDED
    else:
        state = ItemState.FAILED if result.delay_s is None else ItemState.WAITING
    first = result.item.started_at or result.started_at
    return {
        "index": result.item.index,
        "state": state.value,
        "output": store.fragment(outcome.text) if isinstance(outcome, Succeeded) else None,
        "error": None if failure is None else {"kind": failure.kind.value, "message": failure.message},
        "attempt": result.item.attempt + (state is ItemState.WAITING),
        "delay_s": result.delay_s,
        "started_at": first.isoformat(),
        "ended_at": None if state is ItemState.WAITING else result.ended_at.isoformat(),
    }


def _events(cursor: Cursor, *, results: Sequence[Result]) -> list[EncodedEvent]:
    events: list[EncodedEvent] = []
    done = [result for result in results if result.failure is None]
    if done:
        indexes = [result.item.index for result in done]
        at = done[-1].ended_at
        events.append(cursor.event(EventKind.ITEMS_SUCCEEDED, at=at, step=cursor.step.id, indexes=indexes))
    for result in results:
        if result.failure is not None:
            kind = EventKind.ITEM_FAILED if result.delay_s is None else EventKind.ITEM_RETRYING
            events.append(
                cursor.event(
                    kind,
                    at=result.ended_at,
                    step=cursor.step.id,
                    index=result.item.index,
                    attempt=result.item.attempt,
                    failure=result.failure.kind.value,
                )
            )
    return events
