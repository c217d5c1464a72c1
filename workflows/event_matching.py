"""The `match` of a wait for an event: compiled with its definition, asked about each event; it reads none itself."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from workflows.core.building import expression_source
from workflows.core.correlation import Event, Match, MatchFailed
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.problems import Problem, path_to
from workflows.core.templates import Context, TemplateInvalid
from workflows.expressions import (
    CompiledValue,
    Expression,
    ExpressionFailed,
    ExpressionInvalid,
    Scope,
    compile_condition,
    compile_value,
)

USES = "wait"


def match_of(inputs: JsonObject, *, uses: str) -> str | None:
    """This will give the `match` of a step that waits for an event, if it has one."""
    event = inputs.get("event") if uses == USES else None
    found = event.get("match") if isinstance(event, Mapping) else None
    return found if isinstance(found, str) else None


def match_problems(inputs: JsonObject, *, uses: str, at: str, scope: Scope) -> Iterator[Problem]:
    """This will give what is wrong with a `match`."""
    source = match_of(inputs, uses=uses)
    try:
        if source is not None:
            _compile(source, scope=scope)
    except ExpressionInvalid as error:
        yield Problem(path_to(at, "event", "match"), error.message, error.hint)
    except TemplateInvalid as error:
        yield Problem(path_to(at, "event", "match"), str(error))


def without_match(inputs: JsonObject) -> JsonObject:
    """This will give what is evaluated when the step begins: everything but its `match`."""
    event = inputs["event"]
    assert isinstance(event, Mapping), "only a step with a `match` is asked"
    return {**inputs, "event": {name: value for name, value in event.items() if name != "match"}}


def compile_wait(inputs: JsonObject, *, scope: Scope) -> CompiledValue:
    """This will make the inputs of a wait ready; its `match` stays as it is written, for there is no event yet.

    Raises ExpressionInvalid or `core.templates.TemplateInvalid`.
    """
    source = match_of(inputs, uses=USES)
    assert source is not None, "only a step with a `match` is asked"
    match, rest = _compile(source, scope=scope), compile_value(without_match(inputs), scope=scope)

    def evaluate(context: Context) -> JsonValue:
        evaluated = rest.evaluate(context)
        assert isinstance(evaluated, Mapping)
        event = evaluated["event"]
        assert isinstance(event, Mapping)
        return {**evaluated, "event": {**event, "match": source}}

    return CompiledValue(evaluate=evaluate, references=match.references | rest.references)


def matcher(source: str | None, *, values: Context) -> Match:
    """This will give the question that is asked about each event. Raises ExpressionInvalid, TemplateInvalid."""
    if source is None:
        return lambda _event: True
    steps, run = values.get("steps"), values.get("run")
    scope = Scope(
        steps=frozenset(steps) if isinstance(steps, Mapping) else frozenset(),
        has_item="item" in values,
        is_closing=isinstance(run, Mapping) and bool(run.get("ending")),
    )
    expression = _compile(source, scope=scope)

    def matches(event: Event) -> bool:
        try:
            return expression.evaluate({**values, "event": event.document}) is True
        except ExpressionFailed as error:
            raise MatchFailed(error.message) from error

    return matches


@lru_cache(maxsize=256)
def _compile(source: str, *, scope: Scope) -> Expression:
    return compile_condition(expression_source(source), scope=replace(scope, has_event=True))
