"""Pulls the items of a `for_each` until none is left; opening and ending it is `workflows.execution.fanout`.

A puller holds the items it took through its activation: whoever inherits the activation after a loss goes on
with exactly those. Results of short items share a commit; a long one never waits for others.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from audit.events import EncodedEvent, EventKind
from workflows import park_store, plans, store
from workflows.core import retry
from workflows.core.outcome import Failed, Outcome, Parked, Postponed, Repeated, Succeeded
from workflows.core.states import FailureKind, ItemState, StepState
from workflows.execution import attempts, fanout, frontier, item_failures, losses, pausing, repeating
from workflows.execution.cursor import Cursor
from workflows.execution.dead_letters import Death
from workflows.execution.leases import keeper
from workflows.execution.turn import Turn
from workflows.models import Attempt
from workflows.operations import stopping, trials
from workflows.park_store import ItemStayRow
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

    @property
    def is_done(self) -> bool:
        """This will tell whether the item has ended without failure."""
        return not isinstance(self.outcome, Failed | Repeated)


def work(cursor: Cursor, *, turn: Turn) -> Sequence[Cursor]:
    """This will pull items until none is left or its turn is over; gives the cursors that go on."""
    over = begin(cursor)
    if over is not None:
        return over
    items = inherited(cursor)
    limit = first_limit(cursor)
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
    """This will open the `for_each` if nobody has, or end the puller of a run that is ending; None: go on and pull."""
    if cursor.claim.notice:
        return fanout.end_puller(cursor)
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
    """This will give the items that this activation held when it was last given back or lost."""
    claim = cursor.claim
    if claim.epoch == 1:
        return ()
    return store.held_items(
        run_id=claim.run_id,
        step=cursor.step.id,
        first=claim.range_start,
        until=claim.range_end,
        slot=claim.slot,
    )


def note_loss(cursor: Cursor, *, now: datetime) -> bool:
    """This will record the lost attempt of the first item that a lost puller held: it was under way.

    The others had not begun, or were quick ones that share commits and may be repeated. In a run that is ending there
    is no other attempt: nobody knows what it did. False: the lease has been lost again, and nothing was done.
    """
    held = inherited(cursor)
    if not held:
        return True
    if cursor.claim.notice:
        return frontier.commit(cursor, lambda: _note_unknown(cursor, item=held[0]))
    loss = losses.loss_of(cursor, item=held[0])
    return commit(cursor, results=[ended(cursor, item=held[0], outcome=loss, started_at=now, ended_at=now)])


def _note_unknown(cursor: Cursor, *, item: HeldItem) -> bool:
    is_ours = frontier.lock(cursor)
    if is_ours:
        stopping.note_unknown(cursor.claim.run_id, step=cursor.step.id, indexes=[item.index])
    return is_ours


def first_limit(cursor: Cursor) -> int:
    """This will say how many items to take first: one alone where its failure may stop the others."""
    policy = cursor.step.on_failure
    return 1 if policy is not None and policy.may_stop else 4


def _next_limit(*, items: int, seconds: float) -> int:
    per_item_s = max(seconds / items, 1e-6)
    return max(1, min(_MAX_TAKE, int(_TARGET_S / per_item_s)))


def _work_on(cursor: Cursor, *, items: Sequence[HeldItem], turn: Turn) -> bool:
    """Attempt items and commit their results; False when the lease is lost, or was given back for others' sake."""
    results: list[Result] = []
    oldest = time.monotonic()
    share_s = _SHARE_S if _may_share(cursor, items=items) else 0.0
    for position, item in enumerate(items):
        if cursor.has_stopped:
            return True
        if not keeper.is_held(cursor.claim):
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
            if _gives_way(cursor, turn=turn):
                return False
    return True


def _gives_way(cursor: Cursor, *, turn: Turn) -> bool:
    """Give the puller back between two commits, because it is paused or others have their turn."""
    if pausing.put_aside(cursor):
        return True
    if turn.is_over():
        store.release(holds=[cursor.hold], keeps_place=turn.is_preempted)
        return True
    return False


def postpone(cursor: Cursor, *, pause: Postponed) -> None:
    """This will put the puller aside with the items it holds: where one has no room, the next has none either."""
    store.postpone(holds=[cursor.postponed(pause)])


def discard(cursor: Cursor, *, results: Sequence[Result]) -> None:
    """This will note results that came to nothing, because the lease is lost."""
    if results:
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
            elapsed_s=(ended_at - (item.started_at or started_at)).total_seconds() - item.parked_s,
            previous_delay_s=item.previous_delay_s,
            requested_s=outcome.requested_delay_s,
            dice=random.random,
        )
    if isinstance(outcome, Repeated):
        delay_s = outcome.delay_s
    return Result(item=item, outcome=outcome, delay_s=delay_s, started_at=started_at, ended_at=ended_at)


def commit(cursor: Cursor, *, results: Sequence[Result]) -> bool:
    """This will store results; False when the lease is lost and nothing changed."""
    parked = [result for result in results if isinstance(result.outcome, Parked)]
    if parked:
        if not _park(cursor, results=parked):
            return False
        results = [result for result in results if not isinstance(result.outcome, Parked)]
        if not results:
            return True
    if all(_is_plain(result) for result in results):
        return _end_items(cursor, results=results)
    return frontier.commit(cursor, lambda: _commit_with_failures(cursor, results=results))


def _commit_with_failures(cursor: Cursor, *, results: Sequence[Result]) -> bool:
    if cursor.step.on_failure is not None and not frontier.lock(cursor):
        return False
    if not _end_items(cursor, results=results):
        return False
    _note_failures(cursor, results=results)
    _note_rounds(cursor, results=results)
    proven = [result for result in results if result.item.round and result.is_done]
    if proven:
        indexes = [result.item.index for result in proven]
        at = proven[-1].ended_at
        trials.succeed(run_id=cursor.claim.run_id, step=cursor.step.id, indexes=indexes, at=at)
    return True


def _is_plain(result: Result) -> bool:
    return result.is_done and not result.item.round


def _note_rounds(cursor: Cursor, *, results: Sequence[Result]) -> None:
    for result in results:
        if isinstance(result.outcome, Repeated):
            repeating.note(
                cursor,
                result.outcome,
                index=result.item.index,
                attempt=result.item.attempt,
                started_at=result.started_at,
                at=result.ended_at,
            )


def _park(cursor: Cursor, *, results: Sequence[Result]) -> bool:
    fresh = [result.item.index for result in results if result.item.started_at is None]
    event = cursor.event(EventKind.ITEMS_PARKED, at=results[-1].ended_at, step=cursor.step.id, indexes=fresh)
    return park_store.park_items(
        run_id=cursor.claim.run_id,
        step=cursor.step.id,
        hold=cursor.hold,
        stays=[_stay_row(result) for result in results],
        events=[event] if fresh else [],
    )


def _stay_row(result: Result) -> ItemStayRow:
    stay = result.outcome
    if not isinstance(stay, Parked):
        raise TypeError(f"item {result.item.index} is not parked")
    return {
        "index": result.item.index,
        "reason": stay.reason.value,
        "object": stay.object[:300],
        "until": stay.due_at.isoformat(),
        "begun_at": (result.item.started_at or result.started_at).isoformat(),
    }


def _end_items(cursor: Cursor, *, results: Sequence[Result]) -> bool:
    pause_epoch = store.end_items(
        run_id=cursor.claim.run_id,
        step=cursor.step.id,
        hold=cursor.hold,
        results=[_row(result) for result in results],
        events=_events(cursor, results=results),
    )
    if pause_epoch is None:
        return False
    cursor.pause_epoch = pause_epoch
    return True


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
        item_failures.bury(cursor, deaths)


def _row(result: Result) -> ItemRow:
    outcome, failure = result.outcome, result.failure
    if result.delay_s is not None:
        state = ItemState.WAITING
    else:
        state = ItemState.SUCCEEDED if failure is None else ItemState.FAILED
    is_repeated = isinstance(outcome, Repeated)
    first = result.ended_at if is_repeated else result.item.started_at or result.started_at
    return {
        "index": result.item.index,
        "state": state.value,
        "output": store.fragment(outcome.text) if isinstance(outcome, Succeeded) else None,
        "error": None if failure is None else {"kind": failure.kind.value, "message": failure.message},
        "attempt": 1 if is_repeated else result.item.attempt + (state is ItemState.WAITING),
        "delay_s": result.delay_s,
        "started_at": first.isoformat(),
        "ended_at": None if state is ItemState.WAITING else result.ended_at.isoformat(),
    }


def _events(cursor: Cursor, *, results: Sequence[Result]) -> list[EncodedEvent]:
    events: list[EncodedEvent] = []
    done = [result for result in results if result.is_done]
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
