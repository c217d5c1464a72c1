"""What the steps of a dry run are answered with, and which of them may be performed at all; pure.

    unpinned: fail                  # or placeholder
    steps:
      charge: {output: {status: 200, body: {id: ch_1}}}
      lines: {items: [{ok: true}, {ok: false}]}
      mail: {fails: {kind: unavailable, message: the server is away}}
      ship: {pins: {steps: {label: {output: L-1}}}}     # of the workflow that it starts

In a dry run nothing leaves the process. A step is answered with its pin; what only computes is performed; everything
else fails, or gives a placeholder that says what would have been asked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from workflows.core.definition import JsonObject, JsonValue
from workflows.core.states import FailureKind

SCHEMA: JsonObject = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$ref": "#/$defs/pins",
    "$defs": {
        "pins": {
            "type": "object",
            "description": "What the steps of a dry run are answered with.",
            "properties": {
                "unpinned": {
                    "enum": ["fail", "placeholder"],
                    "default": "fail",
                    "description": "What a step without a pin does, unless it only computes.",
                },
                "steps": {
                    "type": "object",
                    "description": "By the id of the step; an undo is <id>:undo.",
                    "additionalProperties": {"$ref": "#/$defs/pin"},
                },
            },
            "additionalProperties": False,
        },
        "pin": {
            "type": "object",
            "properties": {
                "output": {"description": "What the step gives, every item and every time."},
                "items": {"type": "array", "description": "What each item of a for_each gives, by its index."},
                "fails": {
                    "type": "object",
                    "description": "The step fails like this.",
                    "properties": {
                        "kind": {"enum": [kind.value for kind in FailureKind], "default": "refused"},
                        "message": {"type": "string"},
                    },
                    "additionalProperties": False,
                },
                "pins": {"$ref": "#/$defs/pins", "description": "The pins of the run that the step starts."},
            },
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        },
    },
}
_WORKFLOW = "workflow"


class Unpinned(StrEnum):
    """What a step does for which nothing is pinned."""

    FAIL = "fail"
    PLACEHOLDER = "placeholder"


@dataclass(frozen=True, slots=True)
class Answered:
    """The step gives this, and nothing is done."""

    output: JsonValue


@dataclass(frozen=True, slots=True)
class Fails:
    """The step fails like this, and nothing is done."""

    kind: FailureKind
    message: str


@dataclass(frozen=True, slots=True)
class Performed:
    """The step only computes, or starts a dry run itself: it is performed."""


Answer = Answered | Fails | Performed


def answer(pins: JsonObject, *, step: str, index: int | None, uses: str, inputs: JsonValue, is_pure: bool) -> Answer:
    """This will say what becomes of a step in a dry run. `is_pure`: performing it has no effect outside.

    >>> answer({"steps": {"a": {"output": 1}}}, step="a", index=None, uses="mail", inputs={}, is_pure=False)
    Answered(output=1)
    """
    pin = _pin(pins, step=step)
    if "output" in pin:
        return Answered(pin["output"])
    items = pin.get("items")
    if isinstance(items, list) and index is not None and index < len(items):
        return Answered(items[index])
    fails = pin.get("fails")
    if isinstance(fails, Mapping):
        message = str(fails.get("message", "it was pinned to fail"))
        return Fails(FailureKind(str(fails.get("kind", FailureKind.REFUSED.value))), message)
    if is_pure or uses == _WORKFLOW:
        return Performed()
    if pins.get("unpinned") == Unpinned.PLACEHOLDER:
        return Answered({"dry_run": True, "uses": uses, "inputs": inputs})
    place = step if index is None else f"{step}[{index}]"
    return Fails(
        FailureKind.REFUSED,
        f"nothing is pinned for {place}, and a dry run does not perform `{uses}`: pin its output, take that of an "
        "earlier run, or start with `unpinned: placeholder`",
    )


def of_child(pins: JsonObject, *, step: str) -> JsonObject:
    """This will give the pins of the run that a step starts; where none are given, the policy stays the same."""
    given = _pin(pins, step=step).get("pins")
    inherited: JsonObject = {"unpinned": pins.get("unpinned", Unpinned.FAIL.value)}
    return {**inherited, **given} if isinstance(given, Mapping) else inherited


def with_recorded(pins: JsonObject, *, recorded: Mapping[str, JsonObject]) -> JsonObject:
    """This will add what an earlier run recorded, by step; what was given goes first."""
    given = pins.get("steps")
    steps = {**recorded, **(given if isinstance(given, Mapping) else {})}
    return cast(JsonObject, {**pins, "steps": steps})


def unknown_steps(pins: JsonObject, *, known: frozenset[str]) -> Iterator[str]:
    """This will name what is pinned and is no step."""
    steps = pins.get("steps")
    if isinstance(steps, Mapping):
        yield from sorted(set(steps) - known)


def _pin(pins: JsonObject, *, step: str) -> Mapping[str, JsonValue]:
    steps = pins.get("steps")
    pin = steps.get(step) if isinstance(steps, Mapping) else None
    return pin if isinstance(pin, Mapping) else {}
