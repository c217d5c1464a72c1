"""One attempt of the step a cursor stands at: its expressions, its call, its outcome; it commits nothing."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime

import structlog

from workflows import incident_queries, tracing
from workflows.core.definition import JsonValue
from workflows.core.outcome import Failed, Outcome, Skipped
from workflows.core.states import FailureKind
from workflows.core.storable import readable
from workflows.execution import actions, async_actions
from workflows.execution.actions import Call
from workflows.execution.cursor import Cursor
from workflows.execution.function_threads import FunctionThreads
from workflows.execution.leases import keeper
from workflows.expressions import ExpressionFailed
from workflows.store import HeldItem


def attempt_step(cursor: Cursor, *, now: datetime) -> Outcome:
    """This will perform one attempt of the current step, or skip it when its `if` is false."""
    prepared = _prepared_step(cursor, now=now)
    return _perform(cursor, prepared) if isinstance(prepared, Call) else prepared


def attempt_item(cursor: Cursor, *, item: HeldItem, now: datetime) -> Outcome:
    """This will perform one attempt for one item of the current `for_each`."""
    prepared = _prepared_item(cursor, item=item, now=now)
    return _perform(cursor, prepared) if isinstance(prepared, Call) else prepared


async def await_step(cursor: Cursor, *, now: datetime, threads: FunctionThreads) -> Outcome:
    """This will do what `attempt_step` does, on an event loop.

    What somebody edited is read from the database, in the loop's default executor.
    """
    if cursor.claim.round:
        prepared = await asyncio.to_thread(_prepared_step, cursor, now=now)
    else:
        prepared = _prepared_step(cursor, now=now)
    return await _await(cursor, prepared, threads=threads) if isinstance(prepared, Call) else prepared


async def await_item(cursor: Cursor, *, item: HeldItem, now: datetime, threads: FunctionThreads) -> Outcome:
    """This will do what `attempt_item` does, on an event loop; see `await_step`."""
    if item.round:
        prepared = await asyncio.to_thread(_prepared_item, cursor, item=item, now=now)
    else:
        prepared = _prepared_item(cursor, item=item, now=now)
    return await _await(cursor, prepared, threads=threads) if isinstance(prepared, Call) else prepared


def _prepared_step(cursor: Cursor, *, now: datetime) -> Call | Outcome:
    program = cursor.current
    try:
        if program.condition is not None and not program.condition.evaluate(cursor.context):
            return Skipped()
        inputs = inputs_of(cursor)
    except ExpressionFailed as failure:
        return _refused(failure)
    return _call(cursor, inputs=inputs, index=None, attempt=cursor.attempt, now=now)


def _prepared_item(cursor: Cursor, *, item: HeldItem, now: datetime) -> Call | Outcome:
    try:
        inputs = inputs_of(cursor, item=item)
    except ExpressionFailed as failure:
        return _refused(failure)
    return _call(cursor, inputs=inputs, index=item.index, attempt=item.attempt, now=now)


def inputs_of(cursor: Cursor, *, item: HeldItem | None = None) -> JsonValue:
    """This will give what a step or item is called with. Raises ExpressionFailed.

    Only what was requeued can have inputs that somebody edited; nothing else looks for them.
    """
    context, index, round_ = cursor.context, None, cursor.claim.round
    if item is not None:
        context, index, round_ = {**context, "item": item.value, "index": item.index}, item.index, item.round
    if round_:
        edited = incident_queries.find_override(run_id=cursor.claim.run_id, step=cursor.step.id, index=index)
        if edited is not None:
            return edited
    return cursor.current.inputs.evaluate(context)


def _call(cursor: Cursor, *, inputs: JsonValue, index: int | None, attempt: int, now: datetime) -> Call:
    step = cursor.step
    context = cursor.step_context(now=now, index=index, attempt=attempt)
    return Call(uses=step.uses, inputs=_mapping(inputs), connection=step.connection, context=context)


def _perform(cursor: Cursor, call: Call) -> Outcome:
    keeper.expect_end_within(call.context.timeout_s)
    try:
        with _told(cursor, attempt=call.context.attempt):
            return actions.perform(call)
    finally:
        keeper.expect_end_within(None)


async def _await(cursor: Cursor, call: Call, *, threads: FunctionThreads) -> Outcome:
    with _told(cursor, attempt=call.context.attempt):
        return await async_actions.perform(call, threads=threads)


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


def _refused(failure: ExpressionFailed) -> Failed:
    return Failed(kind=FailureKind.REFUSED, message=readable(str(failure)))
