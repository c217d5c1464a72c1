"""What a `switch` decides: which of the steps it names go on; pure.

A switch names steps among those that need it. When it has succeeded, the steps it chose are judged by their `when` like
all others; every step it names and did not choose is skipped. Steps that need it and are named nowhere are not touched.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from workflows.core.definition import JsonObject, JsonValue

USES = "switch"


class CaseInvalid(ValueError):
    """The value of a switch can be no case; the message says why."""


class Target(NamedTuple):
    """A step that a switch names, and where below its `with`."""

    step: str
    path: tuple[str | int, ...]


def targets(inputs: JsonObject) -> Iterator[Target]:
    """This will give every step that is named, in the order of the document.

    >>> [target.step for target in targets({"cases": {"gold": "vip", "silver": ["a", "b"]}, "default": "c"})]
    ['vip', 'a', 'b', 'c']
    """
    cases, conditions = inputs.get("cases"), inputs.get("conditions")
    if isinstance(cases, Mapping):
        for case, named in cases.items():
            yield from _named(named, "cases", case)
    if isinstance(conditions, list):
        for number, condition in enumerate(conditions):
            if isinstance(condition, Mapping):
                yield from _named(condition.get("then"), "conditions", number, "then")
    yield from _named(inputs.get("default"), "default")


def choose(inputs: JsonObject) -> dict[str, JsonValue]:
    """This will give the output of a switch from its evaluated inputs: the case that holds and the steps it names.

    `case` is null where none holds: then `default` is chosen. Raises CaseInvalid.

    >>> choose({"value": "gold", "cases": {"gold": "vip"}, "default": "other"})
    {'case': 'gold', 'chosen': ['vip']}
    >>> choose({"conditions": [{"if": False, "then": "a"}], "default": ["b", "c"]})
    {'case': None, 'chosen': ['b', 'c']}
    """
    case: str | int | None = None
    named = inputs.get("default")
    cases, conditions = inputs.get("cases"), inputs.get("conditions")
    if isinstance(cases, Mapping):
        text = _case_of(inputs.get("value"))
        if text in cases:
            case, named = text, cases[text]
    elif isinstance(conditions, list):
        holding = (number for number, one in enumerate(conditions) if isinstance(one, Mapping) and one["if"] is True)
        case = next(holding, None)
        if case is not None:
            named = conditions[case]["then"]
    return {"case": case, "chosen": [target.step for target in _named(named)]}


def chosen_of(output: object) -> frozenset[str]:
    """This will read the steps a switch chose from its output; none where it holds nothing of the kind."""
    chosen = output.get("chosen") if isinstance(output, Mapping) else None
    return frozenset(step for step in chosen if isinstance(step, str)) if isinstance(chosen, Sequence) else frozenset()


def _case_of(value: JsonValue) -> str:
    """Keys of a mapping are text: true and 7 stand for the cases `true` and `7`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if value is None:
        return "null"
    raise CaseInvalid(f"the value of a switch must be text, a whole number, true, false or null, not {value!r:.80}")


def _named(value: JsonValue, *path: str | int) -> Iterator[Target]:
    if isinstance(value, str):
        yield Target(value, path)
    elif isinstance(value, list):
        for number, step in enumerate(value):
            if isinstance(step, str):
                yield Target(step, (*path, number))
