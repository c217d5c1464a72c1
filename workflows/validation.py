"""Judges a definition document and says everything that is wrong with it at once; it never mends one."""

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

from workflows.core.building import needs_of, restore_definition
from workflows.core.definition import Definition, JsonObject
from workflows.core.order import find_cycles, upstream_of
from workflows.core.problems import DefinitionInvalid, Problem, path_to, suggestion
from workflows.definition_schema import definition_schema
from workflows.expressions import Scope
from workflows.schema import Schema, schema_problems
from workflows.step_validation import (
    BUILT_IN_USES,
    Surroundings,
    duration_problems,
    lane_problems,
    length_problems,
    step_problems,
    template_problems,
)

__all__ = ["BUILT_IN_USES", "find_problems", "parse_definition", "restore_definition"]


_TAKEN_NAME = "check"


def parse_definition(
    document: JsonObject,
    *,
    uses: Mapping[str, JsonObject],
    functions: Collection[str] | None = None,
    lanes: Collection[str] | None = None,
) -> Definition:
    """This will check a document and build its definition, `defaults` merged into the steps.

    `uses` has the JSON Schema of `with` for each installed adapter (`python` and `set` are built in);
    `functions` names the registered Python functions, as a mapping also the JSON Schema of their `args`
    (None: any name will do); so does `lanes` the queues. Raises DefinitionInvalid with every problem.
    """
    problems = find_problems(document, uses=uses, functions=functions, lanes=lanes)
    if problems:
        raise DefinitionInvalid(problems)
    return restore_definition(document)


def find_problems(
    document: JsonObject,
    *,
    uses: Mapping[str, JsonObject],
    functions: Collection[str] | None = None,
    lanes: Collection[str] | None = None,
) -> list[Problem]:
    """This will give everything that is wrong with a document, in its order as far as possible."""
    shape = _compiled_schema().problems(document)
    misshapen = {problem.path for problem in shape}
    meaning = _meaning(document, uses={**BUILT_IN_USES, **uses}, functions=functions, lanes=lanes)
    return shape + [problem for problem in dict.fromkeys(meaning) if problem.path not in misshapen]


@lru_cache(maxsize=1)
def _compiled_schema() -> Schema:
    return Schema(definition_schema())


def _meaning(
    document: JsonObject,
    *,
    uses: Mapping[str, JsonObject],
    functions: Collection[str] | None,
    lanes: Collection[str] | None,
) -> Iterator[Problem]:
    steps = _readable_steps(document)
    needs = {step_id: needs_of(step.get("needs")) for step_id, step in steps.items()}
    upstream = upstream_of(needs)
    yield from _top_problems(document, lanes=lanes)
    yield from _needs_problems(steps, needs=needs)
    for step_id, step in steps.items():
        surroundings = Surroundings(upstream=upstream[step_id], steps=frozenset(steps), uses=uses, functions=functions)
        at = path_to("$.steps", step_id)
        yield from step_problems(step, at=at, surroundings=surroundings)
        yield from lane_problems(step, at=at, lanes=lanes)
    everything = Scope(steps=frozenset(steps), known=frozenset(steps))
    yield from template_problems(document.get("output"), at="$.output", scope=everything)


def _readable_steps(document: JsonObject) -> dict[str, JsonObject]:
    steps = document.get("steps")
    if not isinstance(steps, Mapping):
        return {}
    return {step_id: step for step_id, step in steps.items() if isinstance(step, Mapping)}


def _top_problems(document: JsonObject, *, lanes: Collection[str] | None) -> Iterator[Problem]:
    if document.get("name") == _TAKEN_NAME:
        yield Problem(
            "$.name", f"{_TAKEN_NAME!r} is the address where the API checks definitions", "choose another name"
        )
    schema = document.get("input")
    if isinstance(schema, Mapping):
        yield from schema_problems(schema, at="$.input")
    yield from length_problems(document, key="deadline", at="$", is_nothing_allowed=False)
    defaults = document.get("defaults")
    if isinstance(defaults, Mapping):
        yield from duration_problems(defaults, at="$.defaults")
        yield from lane_problems(defaults, at="$.defaults", lanes=lanes)
    fairness = document.get("fairness")
    if isinstance(fairness, Mapping):
        yield from template_problems(fairness.get("key"), at="$.fairness.key", scope=Scope(steps=frozenset()))


def _needs_problems(steps: Mapping[str, JsonObject], *, needs: Mapping[str, tuple[str, ...]]) -> Iterator[Problem]:
    for step_id, wanted in needs.items():
        for index, need in enumerate(wanted):
            if need in steps:
                continue
            path = path_to("$.steps", step_id, "needs")
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
        yield Problem(path_to("$.steps", cycle[0], "needs"), message, hint)
