"""One attempt of the step a cursor stands at: its expressions, its call, its outcome; it commits nothing."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from integrations.contract import CallOrigin
from workflows import heartbeats, incident_queries, registry, tracing
from workflows.core.allowances import BEATING
from workflows.core.context import Ties
from workflows.core.definition import JsonValue
from workflows.core.outcome import Failed, Outcome, Skipped, Succeeded
from workflows.core.states import FailureKind
from workflows.core.storable import readable
from workflows.core.waiting_kinds import WAITING_KINDS, Stay
from workflows.execution import actions, async_actions, dry_running, repeating
from workflows.execution.actions import Call
from workflows.execution.cursor import Cursor
from workflows.execution.function_threads import FunctionThreads
from workflows.execution.leases import keeper
from workflows.execution.pulses import Pulse, book
from workflows.execution.repeating import Round
from workflows.expressions import ExpressionFailed
from workflows.incident_queries import Given
from workflows.store import HeldItem


def attempt_step(cursor: Cursor, *, now: datetime) -> Outcome:
    """This will perform one attempt of the current step, or skip it when its `if` is false."""
    prepared = _prepared_step(cursor, now=now)
    return _perform(cursor, prepared) if isinstance(prepared, Prepared) else prepared


def attempt_item(cursor: Cursor, *, item: HeldItem, now: datetime) -> Outcome:
    """This will perform one attempt for one item of the current `for_each`."""
    prepared = _prepared_item(cursor, item=item, now=now)
    return _perform(cursor, prepared) if isinstance(prepared, Prepared) else prepared


async def await_step(cursor: Cursor, *, now: datetime, threads: FunctionThreads) -> Outcome:
    """This will do what `attempt_step` does, on an event loop.

    What somebody edited, and rounds of a `repeat_until`, are read from the database in the loop's default executor.
    """
    if cursor.claim.is_dry or cursor.claim.round or cursor.attempt > 1 or cursor.step.repeat_until is not None:
        prepared = await asyncio.to_thread(_prepared_step, cursor, now=now)
    else:
        prepared = _prepared_step(cursor, now=now)
    return await _await(cursor, prepared, threads=threads) if isinstance(prepared, Prepared) else prepared


async def await_item(cursor: Cursor, *, item: HeldItem, now: datetime, threads: FunctionThreads) -> Outcome:
    """This will do what `attempt_item` does, on an event loop; see `await_step`."""
    if cursor.claim.is_dry or item.round or item.attempt > 1 or cursor.step.repeat_until is not None:
        prepared = await asyncio.to_thread(_prepared_item, cursor, item=item, now=now)
    else:
        prepared = _prepared_item(cursor, item=item, now=now)
    return await _await(cursor, prepared, threads=threads) if isinstance(prepared, Prepared) else prepared


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that can be made, what its expressions saw, and which round of its `repeat_until` it is."""

    call: Call
    values: dict[str, JsonValue]
    round: Round | None


def _prepared_step(cursor: Cursor, *, now: datetime) -> Prepared | Outcome:
    program = cursor.current
    given = _given(cursor, index=None, round_=cursor.claim.round)
    if given is not None and given.is_result:
        return actions.judged(given.value, payload=None)
    try:
        if program.condition is not None and not program.condition.evaluate(cursor.context):
            return Skipped()
        inputs = _inputs(cursor, given=given, item=None)
    except ExpressionFailed as failure:
        return _refused(failure)
    call, turn = _call(cursor, inputs=inputs, index=None, attempt=cursor.attempt, now=now)
    call = _staying(
        cursor, call, index=None, round_=cursor.claim.round, begun_at=cursor.begun_at, values=cursor.context, now=now
    )
    return _allowed(cursor, Prepared(call, cursor.context, turn), index=None, now=now)


def _prepared_item(cursor: Cursor, *, item: HeldItem, now: datetime) -> Prepared | Outcome:
    given = _given(cursor, index=item.index, round_=item.round)
    if given is not None and given.is_result:
        return actions.judged(given.value, payload=None)
    try:
        inputs = _inputs(cursor, given=given, item=item)
    except ExpressionFailed as failure:
        return _refused(failure)
    seen = _item_of(cursor, item=item)
    call, turn = _call(cursor, inputs=inputs, index=seen["index"], attempt=item.attempt, now=now)
    values = {**cursor.context, **seen}
    call = _staying(cursor, call, index=item.index, round_=item.round, begun_at=item.started_at, values=values, now=now)
    return _allowed(cursor, Prepared(call, values, turn), index=item.index, now=now)


def _allowed(cursor: Cursor, prepared: Prepared, *, index: int | None, now: datetime) -> Prepared | Outcome:
    """A step of a dry run is performed only where that has no effect outside, and has one round."""
    if not cursor.claim.is_dry:
        return prepared
    answer = dry_running.answer(cursor, prepared.call, index=index, now=now)
    return replace(prepared, round=None) if answer is None else answer


def inputs_of(cursor: Cursor, *, item: HeldItem | None = None) -> JsonValue:
    """This will give what a step or item is called with. Raises ExpressionFailed."""
    index, round_ = (None, cursor.claim.round) if item is None else (item.index, item.round)
    return _inputs(cursor, given=_given(cursor, index=index, round_=round_), item=item)


def key_of(cursor: Cursor, *, item: HeldItem | None) -> str:
    """This will give the idempotency key of the step, or of the item, that the cursor stands at."""
    index = None if item is None else _item_of(cursor, item=item)["index"]
    turn = repeating.next_round(cursor, index=index)
    number = None if turn is None else turn.number
    return cursor.step_context(now=cursor.step_started_at, index=index, round_number=number).idempotency_key


def _given(cursor: Cursor, *, index: int | None, round_: int) -> Given | None:
    """Only what was brought back can have inputs or a result that somebody gave; nothing else looks for them."""
    if not round_:
        return None
    return incident_queries.find_override(run_id=cursor.claim.run_id, step=cursor.step.id, index=index)


def _inputs(cursor: Cursor, *, given: Given | None, item: HeldItem | None) -> JsonValue:
    if given is not None and not given.is_result:
        return given.value
    context = cursor.context if item is None else {**cursor.context, **_item_of(cursor, item=item)}
    return cursor.current.inputs.evaluate(context)


def _item_of(cursor: Cursor, *, item: HeldItem) -> dict[str, Any]:
    """What expressions see of an item: of an undo, the item it is about, with that item's own output."""
    undoes = cursor.step.undoes
    if undoes is None:
        return {"item": item.value, "index": item.index}
    done: Any = item.value  # Any: written by `fanout.done_items`
    result = {"state": done["state"], "output": done["output"]}
    return {"item": done["item"], "index": done["index"], "steps": {**cursor.results, undoes: result}}


def _call(
    cursor: Cursor, *, inputs: JsonValue, index: int | None, attempt: int, now: datetime
) -> tuple[Call, Round | None]:
    step, claim, turn = cursor.step, cursor.claim, repeating.next_round(cursor, index=index)
    number = None if turn is None else turn.number
    ties: Ties = {"asks": lambda: keeper.should_stop(claim)}
    mapping, pulse = _mapping(inputs), None
    if step.uses == BEATING:
        pulse = _pulse(cursor, index=index, attempt=attempt)
        ties["beats"] = pulse.give
        ties["last_progress"] = _progress_before(cursor, inputs=mapping, index=index, attempt=attempt)
    call = Call(
        uses=step.uses,
        inputs=mapping,
        connection=step.connection,
        context=cursor.step_context(now=now, index=index, attempt=attempt, round_number=number, **ties),
        pulse=pulse,
        origin=CallOrigin(workflow=claim.workflow_name, index=index, round=number),
    )
    return call, turn


def _pulse(cursor: Cursor, *, index: int | None, attempt: int) -> Pulse:
    """A function may give signs of life."""
    claim, step = cursor.claim, cursor.step
    return Pulse(
        book=book,
        run_id=claim.run_id,
        step=step.id,
        index=index,
        activation=claim.id,
        epoch=claim.epoch,
        attempt=attempt,
        limit_s=step.allowance.heartbeat_s,
    )


def _progress_before(cursor: Cursor, *, inputs: Mapping[str, JsonValue], index: int | None, attempt: int) -> JsonValue:
    """What follows an earlier attempt is told what that said last."""
    if (attempt == 1 and not cursor.claim.round) or not registry.takes_context(str(inputs.get("call"))):
        return None
    return heartbeats.find_progress(run_id=cursor.claim.run_id, step=cursor.step.id, index=index)


def _staying(
    cursor: Cursor,
    call: Call,
    *,
    index: int | None,
    round_: int,
    begun_at: datetime | None,
    values: dict[str, JsonValue],
    now: datetime,
) -> Call:
    """A step that waits outside is told since when it does."""
    if call.uses not in WAITING_KINDS:
        return call
    stay = Stay(
        run_id=cursor.claim.run_id,
        step=cursor.step.id,
        index=index,
        round=round_,
        attempt=call.context.attempt,
        workflow_name=cursor.claim.workflow_name,
        correlation_id=cursor.claim.correlation_id,
        inputs=call.inputs,
        begun_at=begun_at or now,
        now=now,
        values=values,
    )
    return replace(call, stay=stay)


def _perform(cursor: Cursor, prepared: Prepared) -> Outcome:
    context = prepared.call.context
    keeper.expect_end_within(context.timeout_s)
    try:
        with _told(cursor, attempt=context.attempt), book.performing(prepared.call.pulse):
            return _judged(cursor, actions.perform(prepared.call), prepared=prepared)
    finally:
        keeper.expect_end_within(None)


async def _await(cursor: Cursor, prepared: Prepared, *, threads: FunctionThreads) -> Outcome:
    pulse = prepared.call.pulse
    if pulse is not None:
        book.begin(pulse, may_kill=False)
    try:
        with _told(cursor, attempt=prepared.call.context.attempt):
            return _judged(cursor, await async_actions.perform(prepared.call, threads=threads), prepared=prepared)
    finally:
        if pulse is not None and pulse.is_known:
            await asyncio.to_thread(book.end, pulse)


def _judged(cursor: Cursor, outcome: Outcome, *, prepared: Prepared) -> Outcome:
    if isinstance(outcome, Succeeded) and outcome.growth is not None and not cursor.may_grow:
        return _misplaced(prepared)
    if cursor.claim.is_dry and isinstance(outcome, Failed):
        return replace(outcome, is_repeatable=False)  # it computes the same again
    if prepared.round is None:
        return outcome
    try:
        return repeating.judge(cursor, outcome, now=prepared.round, values=prepared.values)
    except ExpressionFailed as failure:
        return _refused(failure)


@contextlib.contextmanager
def _told(cursor: Cursor, *, attempt: int) -> Iterator[None]:
    """Logs and spans of what happens inside say whose run it is."""
    claim = cursor.claim
    run_id = str(claim.run_id)
    with (
        structlog.contextvars.bound_contextvars(run_id=run_id, correlation_id=claim.correlation_id),
        tracing.span_of_step(
            traceparent=claim.traceparent,
            workflow=claim.workflow_name,
            step=cursor.step.id,
            run_id=run_id,
            attempt=attempt,
        ),
    ):
        yield


def _mapping(inputs: JsonValue) -> Mapping[str, JsonValue]:
    if not isinstance(inputs, Mapping):
        raise TypeError(f"the inputs of a step are a mapping, not {type(inputs).__name__}")
    return inputs


def _misplaced(prepared: Prepared) -> Failed:
    message = "it returned further steps: only a step of the main part may, without `for_each` and `repeat_until`"
    return Failed(kind=FailureKind.REFUSED, message=message, payload=prepared.call.inputs)


def _refused(failure: ExpressionFailed) -> Failed:
    return Failed(kind=FailureKind.REFUSED, message=readable(str(failure)))
