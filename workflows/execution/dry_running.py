"""Answers the steps of dry runs: what is pinned is given, what only computes is performed, nothing goes outside."""

from collections.abc import Mapping
from datetime import datetime

from audit.redaction import redacted
from workflows import registry
from workflows.core import pins, timers
from workflows.core.definition import JsonValue
from workflows.core.outcome import Failed, Outcome
from workflows.core.pins import Answered, Fails
from workflows.core.states import FailureKind
from workflows.core.timers import WaitInvalid
from workflows.execution import actions
from workflows.execution.actions import Call
from workflows.execution.cursor import Cursor
from workflows.operations import dry_runs


def answer(cursor: Cursor, call: Call, *, index: int | None, now: datetime) -> Outcome | None:
    """This will give what a step of a dry run comes to without being performed; None: it is performed."""
    if call.uses == "wait" and "event" not in call.inputs and not _is_pinned(cursor):
        return _waited(call, now=now)
    found = pins.answer(
        dry_runs.pins_of(cursor.claim.run_id),
        step=cursor.step.id,
        index=index,
        uses=call.uses,
        inputs=_masked(call.inputs),
        is_pure=_is_pure(call),
    )
    if isinstance(found, Answered):
        return actions.sized_output(found.output, payload=call.inputs)
    if isinstance(found, Fails):
        return Failed(kind=found.kind, message=found.message, payload=call.inputs, is_repeatable=False)
    return None


def _is_pinned(cursor: Cursor) -> bool:
    steps = dry_runs.pins_of(cursor.claim.run_id).get("steps")
    return isinstance(steps, Mapping) and cursor.step.id in steps


def _waited(call: Call, *, now: datetime) -> Outcome:
    """A dry run has no time to lose: a wait that a clock would end has ended."""
    try:
        until = timers.wait_until(call.inputs, begun_at=now)
    except WaitInvalid as error:
        return Failed(kind=FailureKind.REFUSED, message=str(error), payload=call.inputs)
    return actions.sized_output({"waited_s": 0.0, "until": until.isoformat()}, payload=call.inputs)


def _is_pure(call: Call) -> bool:
    if call.uses in actions.COMPUTED:
        return True
    return call.uses == "python" and registry.is_pure(str(call.inputs.get("call")))


def _masked(inputs: Mapping[str, JsonValue]) -> JsonValue:
    masked: JsonValue = redacted(inputs)  # type: ignore[assignment]  # JSON in, JSON out
    return masked
