"""Judges a `switch`: what it names must wait for it, and be named in words."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from workflows.core import switching
from workflows.core.building import expression_source
from workflows.core.definition import JsonObject
from workflows.core.problems import Problem, path_to, suggestion
from workflows.core.templates import Context, has_code
from workflows.expressions import CompiledValue, Scope, compile_condition, compile_value

_STEPS: JsonObject = {"type": ["string", "array"], "items": {"type": "string"}, "uniqueItems": True}
SCHEMA: Mapping[str, Any] = {  # Any: a JSON Schema
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "value": {
            "description": "What is compared with the names of the cases: text, a whole number, true, false, null."
        },
        "cases": {
            "type": "object",
            "description": "The steps that go on, by value.",
            "minProperties": 1,
            "additionalProperties": _STEPS,
        },
        "conditions": {
            "type": "array",
            "description": "Instead of `value` and `cases`: the first `if` that is true says which steps go on.",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["if", "then"],
                "additionalProperties": False,
                "properties": {"if": {"type": ["string", "boolean"]}, "then": _STEPS},
            },
        },
        "default": {**_STEPS, "description": "The steps that go on where no case holds; without it none does."},
    },
    "oneOf": [{"required": ["value", "cases"]}, {"required": ["conditions"]}],
}
"""The JSON Schema of the `with` of a switch."""


def switch_problems(
    step: JsonObject, *, at: str, steps: Collection[str], dependents: Collection[str]
) -> Iterator[Problem]:
    """This will give what is wrong with the steps that a switch names."""
    inputs = step.get("with")
    if step.get("uses") != switching.USES or not isinstance(inputs, Mapping):
        return
    if "for_each" in step:
        hint = "take `for_each` out, or put the switch into a workflow of its own that each item starts"
        yield Problem(path_to(at, "for_each"), "a switch decides once, not for each item", hint)
    if "conditions" in inputs and "cases" in inputs:
        yield Problem(path_to(at, "with", "conditions"), "a switch has `cases` or `conditions`, not both")
    for target in switching.targets(inputs):
        path = path_to(at, "with", *target.path)
        if has_code(target.step):
            yield Problem(path, "the steps of a case must be named here, not computed", "write them out")
        elif target.step not in steps:
            hint = suggestion(target.step, known=dependents or steps, noun="step")
            yield Problem(path, f"there is no step {target.step!r}", hint)
        elif target.step not in dependents:
            name = at.rpartition(".")[2]
            hint = f"add {name!r} to the `needs` of {target.step!r}"
            yield Problem(path, f"{target.step!r} does not need this switch, which could not hold it back", hint)


def compile_switch(inputs: JsonObject, *, scope: Scope) -> CompiledValue:
    """This will make the inputs of a switch ready: conditions are asked in turn, and none behind the one that holds.

    Raises ExpressionInvalid or `core.templates.TemplateInvalid`.
    """
    conditions = inputs.get("conditions")
    if not isinstance(conditions, list):
        return compile_value(inputs, scope=scope)
    asked = [compile_condition(expression_source(one["if"]), scope=scope) for one in conditions]

    def evaluate(context: Context) -> JsonObject:
        holds = next((number for number, condition in enumerate(asked) if condition.evaluate(context)), None)
        told = [{**one, "if": number == holds} for number, one in enumerate(conditions)]
        return {**inputs, "conditions": told}

    references = frozenset().union(*(condition.references for condition in asked))
    return CompiledValue(evaluate=evaluate, references=references)
