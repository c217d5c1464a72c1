"""Reads what a definition says of the events that start its runs: shape, meaning, templates; it stores nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from automation.trigger_models import TriggerKind
from workflows.core.building import expression_source
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.problems import Problem, path_to
from workflows.core.templates import TemplateInvalid, has_code
from workflows.expressions import (
    CompiledValue,
    Expression,
    ExpressionInvalid,
    Scope,
    compile_condition,
    compile_value,
)
from workflows.schema import Schema

_SCOPE = Scope(steps=frozenset(), roots=frozenset({"event"}))
_HINT = "templates see event.id, source, type, key, subject, time, data, attributes and received_at"
SHORTEST_S, LONGEST_S = 1.0, 366 * 86_400.0
DEFAULT_INPUT = "${{ event.data }}"
MISSING_INPUT = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One trigger as a definition says it."""

    kind: TriggerKind
    place: int
    type: str
    is_prefix: bool
    source: str
    match: str
    input: JsonValue
    within_s: float = 0.0


def source_of(name: str) -> str:
    """This will give the `source` of the events that a source of webhooks sends.

    >>> source_of("shop")
    'webhook:shop'
    """
    return f"webhook:{name}"


def read(document: JsonObject, *, kind: TriggerKind, place: int) -> Wanted:
    """This will read a trigger whose document was checked."""
    values: Any = document  # Any: JSON, checked before
    written = str(values["event"] if kind is TriggerKind.WEBHOOK else values["type"])
    named = str(values.get("source", ""))
    return Wanted(
        kind=kind,
        place=place,
        type=written.removesuffix("*"),
        is_prefix=written.endswith("*"),
        source=source_of(named) if kind is TriggerKind.WEBHOOK else named,
        match=values.get("match", ""),
        input=values.get("input", MISSING_INPUT if kind is TriggerKind.MISSING else DEFAULT_INPUT),
        within_s=parse_duration(values["within"]) if kind is TriggerKind.MISSING else 0.0,
    )


def problems_of(document: JsonObject, *, kind: TriggerKind, at: str, wanted: JsonValue) -> Iterator[Problem]:
    """This will give what is wrong beyond the shape; `wanted` is the input schema of the workflow, if there is one."""
    yield from _type_problems(document, kind=kind, at=at)
    match = document.get("match")
    if isinstance(match, str):
        try:
            compiled_match(match)
        except (ExpressionInvalid, TemplateInvalid) as error:
            yield Problem(path_to(at, "match"), str(error), getattr(error, "hint", "") or _HINT)
    if "within" in document:
        yield from _length_problems(document["within"], at=path_to(at, "within"))
    if "input" in document or kind is TriggerKind.MISSING:
        yield from _input_problems(document.get("input"), at=path_to(at, "input"), wanted=wanted)


@lru_cache(maxsize=1024)
def compiled_match(source: str) -> Expression:
    """This will make a `match` ready. Raises ExpressionInvalid, TemplateInvalid."""
    return compile_condition(expression_source(source), scope=_SCOPE)


def compiled_input(value: JsonValue) -> CompiledValue:
    """This will make an `input` ready. Raises ExpressionInvalid, TemplateInvalid."""
    return _compiled_input(orjson.dumps(value))


@lru_cache(maxsize=1024)
def _compiled_input(text: bytes) -> CompiledValue:
    return compile_value(orjson.loads(text), scope=_SCOPE)


def _type_problems(document: JsonObject, *, kind: TriggerKind, at: str) -> Iterator[Problem]:
    key = "event" if kind is TriggerKind.WEBHOOK else "type"
    written = document.get(key)
    if isinstance(written, str) and "*" in written.removesuffix("*"):
        yield Problem(path_to(at, key), f"{written!r}: only the end may be open", "write order.* for all that begin so")


def _length_problems(value: JsonValue, *, at: str) -> Iterator[Problem]:
    try:
        seconds = parse_duration(value)
    except DurationInvalid as error:
        yield Problem(at, str(error))
        return
    if not SHORTEST_S <= seconds <= LONGEST_S:
        yield Problem(at, "must be one second to 366 days", "write for example 25h")


def _input_problems(value: JsonValue, *, at: str, wanted: JsonValue) -> Iterator[Problem]:
    try:
        compiled_input(value)
    except (ExpressionInvalid, TemplateInvalid) as error:
        yield Problem(at + error.path.removeprefix("$"), str(error), getattr(error, "hint", "") or _HINT)
        return
    if isinstance(wanted, Mapping):
        yield from Schema(wanted).problems(value, at=at, is_open=has_code)
