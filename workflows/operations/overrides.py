"""Gives a failed step other inputs than its evaluated ones, for its next attempts; checked as those would be."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

import orjson
from django.conf import settings

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from audit.redaction import MASK
from workflows import registry
from workflows.core.definition import JsonObject, JsonValue, StepDefinition
from workflows.core.problems import Problem, path_to
from workflows.core.storable import holds_nul
from workflows.errors import InputInvalid
from workflows.models import DeadLetter, InputOverride, Run
from workflows.operations.publishing import uses
from workflows.schema import Schema

_AT = "$.payload"
_STEP = -1


def put_override(
    letter: DeadLetter, *, run: Run, step: StepDefinition, payload: JsonValue, actor: Actor, now: datetime
) -> None:
    """This will have the next attempts use `payload`, inside the open transaction. Raises InputInvalid.

    It stays until the step or item has succeeded, or is edited again. A value that was shown masked and comes back
    masked stays as it was.
    """
    unmasked = restored(payload, original=letter.payload, at=_AT)
    checked = _checked(unmasked, step=step)
    InputOverride.objects.update_or_create(
        run_id=run.id,
        step=letter.step,
        index=_STEP if letter.index is None else letter.index,
        defaults={"payload": checked, "is_result": False, "edited_by": str(actor), "edited_at": now},
    )
    audit.record(
        Event(
            kind=EventKind.INPUTS_EDITED,
            actor=actor,
            subject_type="run",
            subject_id=str(run.id),
            correlation_id=run.correlation_id,
            at=now,
            payload={
                "dead_letter": letter.id,
                "step": letter.step,
                "index": letter.index,
                "before_sha256": _digest(letter.payload),
                "after_sha256": _digest(checked),
            },
        )
    )


def restored(value: JsonValue, *, original: object, at: str) -> JsonValue:
    """This will put the original values back where a masked one stands. Raises InputInvalid where there is none."""
    if value == MASK:
        if original is None or original == MASK:
            raise InputInvalid([Problem(at, "a masked value stands here, and no original", "write the value itself")])
        return original  # type: ignore[return-value]  # it came out of a JSON column
    if isinstance(value, Mapping):
        known = original if isinstance(original, Mapping) else {}
        return {key: restored(one, original=known.get(key), at=path_to(at, key)) for key, one in value.items()}
    if isinstance(value, list):
        items = original if isinstance(original, list) else []
        return [
            restored(one, original=items[place] if place < len(items) else None, at=path_to(at, place))
            for place, one in enumerate(value)
        ]
    return value


def _checked(payload: JsonValue, *, step: StepDefinition) -> JsonObject:
    if not isinstance(payload, Mapping):
        raise InputInvalid([Problem(_AT, "the inputs of a step are a mapping", "send an object")])
    problems = _size_problems(payload) or _problems(payload, step=step)
    if problems:
        raise InputInvalid(problems)
    return payload


def _size_problems(payload: JsonObject) -> list[Problem]:
    text = orjson.dumps(payload)
    if holds_nul(text):
        return [Problem(_AT, "it holds a NUL character, which PostgreSQL cannot store")]
    if len(text) > settings.STEP_OUTPUT_MAX_BYTES:
        limit = settings.STEP_OUTPUT_MAX_BYTES
        return [Problem(_AT, f"it is {len(text)} bytes: at most {limit} are kept", "send a reference to the data")]
    return []


def _problems(payload: JsonObject, *, step: StepDefinition) -> list[Problem]:
    """As an attempt would check it: by the schema of what the step uses, and of the function it calls."""
    known = uses().get(step.uses)
    found = [] if known is None else Schema(known).problems(payload, at=_AT)
    if found or step.uses != "python":
        return found
    name = str(payload.get("call"))
    called = str(step.inputs.get("call"))
    if name != called:
        return [Problem(path_to(_AT, "call"), f"the step calls {called}: only its arguments can be edited", called)]
    if name not in registry.names():
        return []
    args = payload.get("args")
    return registry.find(name).schema.problems({} if args is None else args, at=path_to(_AT, "args"))


def _digest(value: JsonValue) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
