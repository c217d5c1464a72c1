"""Functions that return further steps of their run; `flows.workflows` loads them with the others."""

import time
from collections.abc import Mapping
from pathlib import Path

from tests.flows import ledger as outside
from workflows.core.context import StepContext
from workflows.core.definition import JsonObject, JsonValue
from workflows.dsl import Flow, Grow
from workflows.registry import function


@function
def grow_row(count: int, first: str = "new") -> Grow:
    """This will return steps one after the other, each of which looks at the one before."""
    flow = Flow()
    before = None
    for number in range(count):
        value = number if before is None else before.output.x
        before = flow.set(f"{first}{number}", {"x": value, "number": number})
    return Grow(steps=flow.steps, output={"count": count})


@function
def grow_fan(count: int, ledger: str, context: StepContext, gate: str | None = None) -> Grow:
    """This will return steps that have an effect, side by side, each with an undo; `gate` holds the first attempt."""
    outside.write(ledger, event="begin", context=context)
    while gate is not None and context.attempt == 1 and not Path(gate).exists():
        time.sleep(0.01)
    act = {"ledger": ledger}
    steps: dict[str, JsonObject] = {
        f"new{number}": {
            "uses": "python",
            "with": {"call": "flows.effect", "args": act},
            "undo": {"uses": "python", "with": {"call": "flows.effect", "args": act}},
        }
        for number in range(count)
    }
    return Grow(steps=steps)


@function
def grow_again(depth: int, context: StepContext) -> Grow:
    """This will return a step that returns a step, and so on."""
    if depth == 0:
        return Grow(steps={}, output=0)
    call: JsonObject = {"call": "flows.grow_again", "args": {"depth": depth - 1}}
    return Grow(steps={f"deep{depth}": {"uses": "python", "with": call}}, output=depth)


@function
def grow_given(steps: Mapping[str, JsonObject], output: JsonValue = None) -> Grow:
    """This will return the steps it is given."""
    return Grow(steps=steps, output=output)
