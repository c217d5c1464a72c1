"""Judges what a definition says about when its runs may begin; it builds nothing."""

from collections.abc import Iterator, Mapping

from workflows.core.definition import JsonObject
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.flow_control import SECTIONS, rules_of
from workflows.core.problems import Problem, path_to
from workflows.expressions import Scope
from workflows.step_validation import length_problems, template_problems

_LENGTHS = ("period", "timeout")


def flow_problems(document: JsonObject, *, known: frozenset[str]) -> Iterator[Problem]:
    """This will give everything that is wrong with the flow control of a document beyond its shape."""
    scope = Scope(steps=frozenset(), known=known)
    for section in SECTIONS:
        for at, rule in _rules(document, section=section):
            yield from template_problems(rule.get("key"), at=path_to(at, "key"), scope=scope)
            for key in _LENGTHS:
                yield from length_problems(rule, key=key, at=at, is_nothing_allowed=False)
    yield from _debounce_problems(document)
    yield from _concurrency_problems(document)


def _rules(document: JsonObject, *, section: str) -> Iterator[tuple[str, JsonObject]]:
    at = path_to("$", section)
    value = document.get(section)
    for index, rule in enumerate(rules_of(value)):
        yield (path_to(at, index) if isinstance(value, list) else at), rule


def _debounce_problems(document: JsonObject) -> Iterator[Problem]:
    debounce = document.get("debounce")
    if not isinstance(debounce, Mapping):
        return
    if "batch" in document:
        hint = "keep one of the two: both gather starts into one run"
        yield Problem("$.debounce", "`debounce` and `batch` exclude each other", hint)
    period, timeout = _seconds(debounce, "period"), _seconds(debounce, "timeout")
    if period is not None and timeout is not None and timeout < period:
        message = f"`timeout` ({timeout:g} s) is shorter than `period` ({period:g} s)"
        yield Problem("$.debounce.timeout", message, "make it at least as long: it caps how long a start is put off")


def _concurrency_problems(document: JsonObject) -> Iterator[Problem]:
    seen: set[object] = set()
    for at, rule in _rules(document, section="concurrency"):
        key = rule.get("key", "")
        if isinstance(key, str) and key in seen:
            hint = "keep the rule with the smaller `limit`, or count by another `key`"
            yield Problem(at, "another rule counts by the same `key`", hint)
        if isinstance(key, str):
            seen.add(key)


def _seconds(holder: JsonObject, key: str) -> float | None:
    try:
        return parse_duration(holder.get(key))
    except DurationInvalid:
        return None
