"""Judges the version that a step `workflow` is pinned to: it must be there, and take the input it is given."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

import orjson

from workflows.core.definition import JsonObject, JsonValue
from workflows.core.problems import Problem, path_to, suggestion
from workflows.core.subworkflow import USES
from workflows.core.templates import has_code
from workflows.schema import Schema

KnownVersions = Mapping[str, Mapping[int, JsonValue]]
"""Workflows by name, their versions by number, and the JSON Schema of each one's input (null: it takes any)."""


def pinned_workflows(document: JsonValue) -> frozenset[str]:
    """This will give the names of the workflows whose versions a definition is pinned to, wherever that stands."""
    if isinstance(document, list):
        return frozenset().union(*(pinned_workflows(item) for item in document))
    if not isinstance(document, Mapping):
        return frozenset()
    inside = frozenset().union(*(pinned_workflows(item) for item in document.values()))
    inputs = document.get("with")
    if document.get("uses") == USES and isinstance(inputs, Mapping) and "version" in inputs:
        name = inputs.get("name")
        return inside | {name} if isinstance(name, str) and not has_code(name) else inside
    return inside


def pin_problems(inputs: JsonObject, *, at: str, known: KnownVersions | None) -> Iterator[Problem]:
    """This will judge the `with` of a step `workflow`; what is computed is judged when the step begins."""
    name, number = inputs.get("name"), inputs.get("version")
    if known is None or not isinstance(number, int) or not isinstance(name, str) or has_code(name):
        return
    if name not in known:
        hint = suggestion(name, known=known, noun="workflow") if known else "publish it first"
        yield Problem(path_to(at, "name"), f"there is no workflow {name!r} to be pinned to", hint)
    elif number not in known[name]:
        hint = f"it has versions 1 to {max(known[name], default=0)}; without `version` it is the one in use"
        yield Problem(path_to(at, "version"), f"workflow {name!r} has no version {number}", hint)
    else:
        schema = known[name][number]
        if isinstance(schema, Mapping):
            path = path_to(at, "input")
            yield from _compiled(orjson.dumps(schema)).problems(inputs.get("input"), at=path, is_open=has_code)


@lru_cache(maxsize=64)
def _compiled(schema: bytes) -> Schema:
    return Schema(orjson.loads(schema))
