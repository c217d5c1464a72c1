"""The one committer: turns what attempts came to into durable rows, many at once where many are at hand.

Each result stands or falls alone: a lost lease or a failed step touches its own run only. What the clean path
cannot express (final failures, forks, joins) goes through `workflows.execution.frontier`, one transaction for each.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar, assert_never

from django.db import DataError, transaction

from audit.events import EventKind
from workflows import park_store, store
from workflows.core import progress, retry
from workflows.core.definition import JsonObject
from workflows.core.outcome import Failed, Outcome, Parked, Postponed, Repeated, Skipped, Succeeded
from workflows.core.states import FailureKind, StepState
from workflows.execution import dead_letters, ends, frontier, repeating
from workflows.execution.cursor import Cursor
from workflows.execution.ends import StepEnd
from workflows.park_store import ParkRow
from workflows.store import EventRow, PostponeRow, RetryRow, StepRow

_Group = TypeVar("_Group", "Finished", "Unfinished")


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that is over and not yet committed."""

    cursor: Cursor
    outcome: Outcome
    ended_at: datetime

    def unstorable(self, error: Exception) -> "Ended":
        """This will turn a result that the database refuses into a failure that says so."""
        message = f"its result cannot be stored: {error}".split("\n")[0]
        return replace(self, outcome=Failed(kind=FailureKind.REFUSED, message=message))


@dataclass(frozen=True, slots=True)
class Finished:
    """A result that ends its step."""

    result: Ended
    end: StepEnd


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A failure that is tried again after `delay_s`."""

    result: Ended
    failure: Failed
    delay_s: float


def settle(results: Sequence[Ended]) -> Sequence[Cursor]:
    """This will commit results and give the cursors that go on."""
    apart: list[Finished] = []
    advancing: list[Finished] = []
    finishing: list[Finished] = []
    retrying: list[Unfinished] = []
    for result in _without_put_aside(results):
        if isinstance(result.outcome, Failed):
            delay_s = next_delay_s(result.cursor, failure=result.outcome, now=result.ended_at)
            if delay_s is not None:
                retrying.append(Unfinished(result, result.outcome, delay_s))
                continue
        end = _step_end(result)
        if end.failure is not None or end.cursor.claim.round or end.returns or end.growth is not None:
            apart.append(Finished(result, end))
        elif end.follow.position is not None:
            advancing.append(Finished(result, end))
        elif end.cursor.is_whole_run:
            finishing.append(Finished(result, end))
        else:
            apart.append(Finished(result, end))
    going = [cursor for one in apart for cursor in _stored([one], commit=_end_apart)]
    going.extend(_stored(advancing, commit=_advance))
    going.extend(_stored(finishing, commit=_finish))
    going.extend(_stored(retrying, commit=_retry))
    return going


def _without_put_aside(results: Sequence[Ended]) -> Sequence[Ended]:
    """Put aside what could not be tried, waits outside or has another round; gives the results that are left."""
    rest: list[Ended] = []
    postponing: list[PostponeRow] = []
    parking: list[ParkRow] = []
    for result in results:
        if isinstance(result.outcome, Postponed):
            postponing.append(result.cursor.postponed(result.outcome))
        elif isinstance(result.outcome, Parked):
            parking.append(result.cursor.parked(result.outcome, at=result.ended_at))
        elif isinstance(result.outcome, Repeated):
            repeating.put_off(result.cursor, result.outcome, at=result.ended_at)
        else:
            rest.append(result)
    if postponing:
        store.postpone(holds=postponing)
    if parking:
        park_store.park(holds=parking)
    return rest


def _stored(group: Sequence[_Group], *, commit: Callable[[Sequence[_Group]], Sequence[Cursor]]) -> Sequence[Cursor]:
    """Commit a group at once; where the database refuses a value, each alone, and the one with it as a failure."""
    if not group:
        return ()
    try:
        return commit(group)
    except DataError as error:
        if len(group) > 1:
            return [cursor for one in group for cursor in _stored([one], commit=commit)]
        return frontier.end_step(_step_end(group[0].result.unstorable(error)))


def _end_apart(done: Sequence[Finished]) -> Sequence[Cursor]:
    return [cursor for one in done for cursor in frontier.end_step(one.end)]


def next_delay_s(cursor: Cursor, *, failure: Failed, now: datetime) -> float | None:
    """This will say after how many seconds the failed step is tried again; None: it is out of attempts."""
    if not failure.is_repeatable:
        return None
    delay_s = retry.next_delay_s(
        cursor.step.retry,
        attempt=cursor.attempt,
        kind=failure.kind,
        elapsed_s=(now - cursor.first_attempt_at).total_seconds(),
        previous_delay_s=cursor.previous_delay_s,
        requested_s=failure.requested_delay_s,
        dice=random.random,
    )
    latest_at = cursor.latest.end_at
    is_too_late = delay_s is not None and latest_at is not None and now + timedelta(seconds=delay_s) >= latest_at
    return None if is_too_late else delay_s


def _step_end(result: Ended) -> StepEnd:
    cursor, outcome = result.cursor, result.outcome
    state = _state_of(outcome)
    follow = progress.follow(cursor.program.plan, segment=cursor.segment, position=cursor.position, state=state)
    return StepEnd(
        cursor=cursor,
        state=state,
        output=outcome.output if isinstance(outcome, Succeeded) else None,
        output_text=outcome.text if isinstance(outcome, Succeeded) else None,
        failure=outcome if isinstance(outcome, Failed) else None,
        follow=follow,
        ended_at=result.ended_at,
        growth=outcome.growth if isinstance(outcome, Succeeded) else None,
    )


def _state_of(outcome: Outcome) -> StepState:
    match outcome:
        case Succeeded():
            return StepState.SUCCEEDED
        case Skipped():
            return StepState.SKIPPED
        case Failed():
            return StepState.FAILED
        case Postponed() | Parked() | Repeated():
            raise TypeError("an attempt that was put aside, or is followed by another round, ends no step")
        case _:
            assert_never(outcome)


def _advance(group: Sequence[Finished]) -> Sequence[Cursor]:
    done = [one.end for one in group]
    rows, events = _rows(done)
    moved, pause_epoch = store.advance(
        moves=[{**end.cursor.hold, "position": _position(end)} for end in done], steps=rows, events=events
    )
    apart = _end_missed(done, moved=moved)
    going = [end for end in done if end.cursor.claim.id in moved]
    for end in going:
        end.remember()
        end.cursor.move_to(_position(end), now=end.ended_at)
        end.cursor.pause_epoch = pause_epoch
    return [*apart, *(end.cursor for end in going)]


def _finish(group: Sequence[Finished]) -> Sequence[Cursor]:
    done = [one.end for one in group]
    rows, events = _rows(done)
    moves: list[store.FinishRow] = []
    failed: list[tuple[StepEnd, JsonObject]] = []
    for end in done:
        end.remember()
        close = ends.run_end(end.cursor, at=end.ended_at)
        moves.append({**end.cursor.hold, "run_id": str(end.cursor.claim.run_id), **close.columns})
        events.append({"id": end.cursor.claim.id, "event": close.event})
        if close.own_error is not None:
            failed.append((end, close.own_error))
    with transaction.atomic() if failed else nullcontext():
        moved = store.finish(moves=moves, steps=rows, events=events)
        for end, error in failed:
            if end.cursor.claim.id in moved:
                dead_letters.bury_run(end.cursor, error=error, at=end.ended_at)
    return _end_missed(done, moved=moved)


def _retry(group: Sequence[Unfinished]) -> Sequence[Cursor]:
    moves: list[RetryRow] = []
    events: list[EventRow] = []
    for one in group:
        result, failure, delay_s, cursor = one.result, one.failure, one.delay_s, one.result.cursor
        moves.append(
            {
                **cursor.hold,
                "step": cursor.step.id,
                "attempt": cursor.attempt,
                "round": cursor.claim.round,
                "delay_s": delay_s,
                "kind": failure.kind.value,
                "message": failure.message,
                "evidence": failure.evidence,
                "started_at": cursor.step_started_at.isoformat(),
                "ended_at": result.ended_at.isoformat(),
            }
        )
        event = cursor.event(
            EventKind.STEP_RETRYING,
            at=result.ended_at,
            step=cursor.step.id,
            attempt=cursor.attempt,
            failure=failure.kind.value,
            delay_ms=round(delay_s * 1000),
        )
        events.append({"id": cursor.claim.id, "event": event})
    moved = store.retry_later(moves=moves, events=events)
    return _end_missed([_step_end(one.result) for one in group], moved=moved)


def _rows(done: Sequence[StepEnd]) -> tuple[list[StepRow], list[EventRow]]:
    rows: list[StepRow] = []
    events: list[EventRow] = []
    for end in done:
        rows.extend(end.step_rows())
        events.extend({"id": end.cursor.claim.id, "event": event} for event in end.events())
    return rows, events


def _position(end: StepEnd) -> int:
    if end.follow.position is None:
        raise ValueError(f"{end.cursor.step.id} has no next step in its segment")
    return end.follow.position


def _end_missed(done: Sequence[StepEnd], *, moved: frozenset[int]) -> Sequence[Cursor]:
    """What a statement left alone: the lease is lost, which is noted, or the run is ending, and the step ends apart."""
    return [cursor for end in done if end.cursor.claim.id not in moved for cursor in frontier.end_step(end)]
