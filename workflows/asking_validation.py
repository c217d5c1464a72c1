"""Judges the `with` of a step that asks people, beyond its schema; what is computed is judged when it is known."""

from collections.abc import Iterator, Mapping

from workflows.core.definition import JsonObject, JsonValue
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.problems import Problem, path_to
from workflows.core.templates import has_code
from workflows.schema import schema_problems


def asking_problems(inputs: JsonObject, *, at: str) -> Iterator[Problem]:
    """This will judge lengths of time, the form, and what goes together only."""
    yield from _length_problems(inputs, key="expires", at=at)
    if "on_expiry" in inputs and "expires" not in inputs:
        yield Problem(path_to(at, "on_expiry"), "`on_expiry` needs `expires`", "say how long an answer is waited for")
    escalate = inputs.get("escalate")
    for number, one in enumerate(escalate if isinstance(escalate, list) else ()):
        if isinstance(one, Mapping):
            yield from _length_problems(one, key="after", at=path_to(at, "escalate", number))
    form = inputs.get("form")
    if isinstance(form, Mapping) and not _is_computed(form):
        yield from schema_problems(form, at=path_to(at, "form"))


def _length_problems(holder: JsonObject, *, key: str, at: str) -> Iterator[Problem]:
    value = holder.get(key)
    if value is None or has_code(value):
        return
    try:
        if parse_duration(value) == 0:
            yield Problem(path_to(at, key), f"`{key}` must be longer than nothing")
    except DurationInvalid as error:
        yield Problem(path_to(at, key), str(error))


def _is_computed(value: JsonValue) -> bool:
    if isinstance(value, Mapping):
        return any(_is_computed(part) for part in value.values())
    return any(_is_computed(part) for part in value) if isinstance(value, list) else has_code(value)
