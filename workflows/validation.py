"""Judges a definition document and says everything that is wrong with it at once; it never mends one."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from workflows.closing_validation import closing_problems
from workflows.core.building import needs_of, restore_definition
from workflows.core.definition import Definition, JsonObject
from workflows.core.order import upstream_of
from workflows.core.problems import DefinitionInvalid, Problem, path_to
from workflows.deadline_validation import deadline_problems
from workflows.definition_schema import definition_schema
from workflows.expressions import Scope
from workflows.flow_validation import flow_problems
from workflows.needs_validation import needs_problems, readable_steps
from workflows.pin_validation import KnownVersions
from workflows.schema import Schema, schema_problems
from workflows.step_validation import (
    BUILT_IN_USES,
    Surroundings,
    duration_problems,
    lane_problems,
    step_problems,
    template_problems,
)
from workflows.triggers import trigger_problems

__all__ = ["BUILT_IN_USES", "find_problems", "parse_definition", "restore_definition"]


_TAKEN_NAME = "check"


def parse_definition(
    document: JsonObject,
    *,
    uses: Mapping[str, JsonObject],
    functions: Collection[str] | None = None,
    lanes: Collection[str] | None = None,
    limits: Collection[str] | None = None,
    versions: KnownVersions | None = None,
) -> Definition:
    """This will check a document and build its definition, `defaults` merged into the steps.

    `uses` has the JSON Schema of `with` for each installed adapter (`python` and `set` are built in);
    `functions` names the registered Python functions, as a mapping also the JSON Schema of their `args`
    (None: any name will do); so do `lanes` the queues, `limits` the limits and `versions` the versions of other
    workflows that exist. Raises DefinitionInvalid with every problem.
    """
    problems = find_problems(document, uses=uses, functions=functions, lanes=lanes, limits=limits, versions=versions)
    if problems:
        raise DefinitionInvalid(problems)
    return restore_definition(document)


def find_problems(
    document: JsonObject,
    *,
    uses: Mapping[str, JsonObject],
    functions: Collection[str] | None = None,
    lanes: Collection[str] | None = None,
    limits: Collection[str] | None = None,
    versions: KnownVersions | None = None,
) -> list[Problem]:
    """This will give everything that is wrong with a document, in its order as far as possible."""
    shape = _compiled_schema().problems(document)
    misshapen = {problem.path for problem in shape}
    base = Surroundings(
        upstream=frozenset(),
        steps=frozenset(readable_steps(document.get("steps"))),
        uses={**BUILT_IN_USES, **uses},
        functions=functions,
        limits=limits,
        versions=versions,
    )
    meaning = _meaning(document, base=base, lanes=lanes)
    return shape + [problem for problem in dict.fromkeys(meaning) if problem.path not in misshapen]


@lru_cache(maxsize=1)
def _compiled_schema() -> Schema:
    return Schema(definition_schema())


def _meaning(document: JsonObject, *, base: Surroundings, lanes: Collection[str] | None) -> Iterator[Problem]:
    steps = readable_steps(document.get("steps"))
    needs = {step_id: needs_of(step.get("needs")) for step_id, step in steps.items()}
    upstream = upstream_of(needs)
    dependents: dict[str, list[str]] = {}
    for step_id, wanted in needs.items():
        for need in wanted:
            dependents.setdefault(need, []).append(step_id)
    yield from _top_problems(document, lanes=lanes)
    yield from needs_problems(steps, needs=needs, at="$.steps")
    for step_id, step in steps.items():
        surroundings = replace(base, upstream=upstream[step_id], dependents=frozenset(dependents.get(step_id, ())))
        at = path_to("$.steps", step_id)
        yield from step_problems(step, at=at, surroundings=surroundings)
        yield from lane_problems(step, at=at, lanes=lanes)
    yield from closing_problems(document, upstream=upstream, surroundings=base, lanes=lanes)
    everything = Scope(steps=frozenset(steps), known=frozenset(steps))
    yield from template_problems(document.get("output"), at="$.output", scope=everything)
    yield from flow_problems(document, known=frozenset(steps))
    yield from trigger_problems(document)


def _top_problems(document: JsonObject, *, lanes: Collection[str] | None) -> Iterator[Problem]:
    if document.get("name") == _TAKEN_NAME:
        yield Problem(
            "$.name", f"{_TAKEN_NAME!r} is the address where the API checks definitions", "choose another name"
        )
    schema = document.get("input")
    if isinstance(schema, Mapping):
        yield from schema_problems(schema, at="$.input")
    yield from deadline_problems(document)
    defaults = document.get("defaults")
    if isinstance(defaults, Mapping):
        yield from duration_problems(defaults, at="$.defaults")
        yield from lane_problems(defaults, at="$.defaults", lanes=lanes)
    fairness = document.get("fairness")
    if isinstance(fairness, Mapping):
        yield from template_problems(fairness.get("key"), at="$.fairness.key", scope=Scope(steps=frozenset()))
