"""Finds out whose share of its lanes a new run uses: the fairness key of its definition, and that key's weight."""

from collections.abc import Mapping
from typing import NamedTuple

from django.conf import settings

from workflows.core.definition import JsonValue
from workflows.core.problems import Problem
from workflows.errors import InputInvalid
from workflows.expressions import ExpressionFailed
from workflows.plans import Program

KEY_BYTES = 64
_BEHIND_ALL = chr(0x10FFFF)
_PLACE = "$.fairness.key"


class Share(NamedTuple):
    """Whose share, and how large it is. Runs without a key share the one of the empty key."""

    key: str
    weight: float


def share_of(program: Program, *, context: Mapping[str, JsonValue]) -> Share:
    """This will evaluate the fairness key for a run that begins. Raises InputInvalid when it is no short text."""
    if program.fairness_key is None:
        key = ""
    else:
        try:
            key = _text(program.fairness_key.evaluate(dict(context)))
        except ExpressionFailed as error:
            raise InputInvalid([Problem(_PLACE, f"the fairness key has no value for this input: {error}")]) from error
    weights: Mapping[str, float] = settings.FAIRNESS_WEIGHTS
    return Share(key=key, weight=weights.get(key, program.plan.definition.fairness_weight))


def _text(value: JsonValue) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        shown = "null" if value is None else type(value).__name__
        raise InputInvalid([Problem(_PLACE, f"the fairness key must be text or a whole number, not {shown}")])
    key = str(value)
    if len(key.encode()) > KEY_BYTES or key.startswith(_BEHIND_ALL):
        raise InputInvalid([Problem(_PLACE, f"the fairness key {key!r} is longer than {KEY_BYTES} bytes")])
    return key
