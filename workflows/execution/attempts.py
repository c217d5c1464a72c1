"""One attempt of the step a cursor stands at: its expressions, its call, its outcome; it commits nothing."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime

import structlog

from workflows import incident_queries, tracing
from workflows.core.definition import JsonValue
from workflows.core.outcome import Failed, Outcome, Skipped
from workflows.core.states import FailureKind
from workflows.core.storable import readable
from workflows.execution import actions
from workflows.execution.actions import Call
from workflows.execution.cursor import Cursor
from workflows.execution.leases import keeper
from workflows.expressions import ExpressionFailed
from workflows.store import HeldItem


def attempt_step(cursor: Cursor, *, now: datetime) -> Outcome:
    """This will perform one attempt of the current step, or skip it when its `if` is false."""
    program = cursor.current
    try:
        if program.condition is not None and not program.condition.evaluate(cursor.context):
            return Skipped()
        inputs = inputs_of(cursor)
    except ExpressionFailed as failure:
        return _refused(failure)
    return _perform(cursor, inputs=inputs, index=None, attempt=cursor.attempt, now=now)


def attempt_item(cursor: Cursor, *, item: HeldItem, now: datetime) -> Outcome:
    """This will perform one attempt for one item of the current `for_each`."""
    try:
        inputs = inputs_of(cursor, item=item)
    except ExpressionFailed as failure:
        return _refused(failure)
    return _perform(cursor, inputs=inputs, index=item.index, attempt=item.attempt, now=now)


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


def _perform(cursor: Cursor, *, inputs: JsonValue, index: int | None, attempt: int, now: datetime) -> Outcome:
    step = cursor.step
    context = cursor.step_context(now=now, index=index, attempt=attempt)
    call = Call(uses=step.uses, inputs=_mapping(inputs), connection=step.connection, context=context)
    keeper.expect_end_within(context.timeout_s)
    try:
        with _told(cursor, attempt=attempt):
            return actions.perform(call)
    finally:
        keeper.expect_end_within(None)


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
