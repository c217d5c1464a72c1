"""Judges which steps wait for which: only for ones that exist, and never in a circle."""

from collections.abc import Iterator, Mapping

from workflows.core.definition import JsonObject, JsonValue
from workflows.core.order import find_cycles
from workflows.core.problems import Problem, path_to, suggestion


def readable_steps(steps: JsonValue) -> dict[str, JsonObject]:
    """This will give those of a map of steps that are mappings at all."""
    if not isinstance(steps, Mapping):
        return {}
    return {step_id: step for step_id, step in steps.items() if isinstance(step, Mapping)}


def needs_problems(
    steps: Mapping[str, JsonObject], *, needs: Mapping[str, tuple[str, ...]], at: str
) -> Iterator[Problem]:
    """This will give the needs that are no steps of the same map, and those that go round in a circle."""
    for step_id, wanted in needs.items():
        for index, need in enumerate(wanted):
            if need in steps:
                continue
            path = path_to(at, step_id, "needs")
            if not isinstance(steps[step_id]["needs"], str):
                path = path_to(path, index)
            others = [other for other in steps if other != step_id]
            yield Problem(path, f"there is no step {need!r}", suggestion(need, known=others, noun="step"))
    for cycle in find_cycles(needs):
        shown = " -> ".join(cycle)
        hint = f"take {cycle[1]!r} out of the needs of {cycle[0]!r}, or break the circle elsewhere"
        if len(cycle) == 2:
            hint = "take it out of its own needs"
        message = f"these steps wait for each other: {shown}" if len(cycle) > 2 else "the step waits for itself"
        yield Problem(path_to(at, cycle[0], "needs"), message, hint)
