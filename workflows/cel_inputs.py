"""Inputs of adapters that are CEL over what an adapter has received, not over the run: checked early, evaluated late.

An adapter's schema marks them with `x-cel`, the names such an expression sees: `{type: string, x-cel: [response]}`.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from integrations.errors import Refused
from workflows.core.definition import JsonValue
from workflows.core.problems import Problem, path_to
from workflows.core.storable import readable
from workflows.expressions import Expression, ExpressionFailed, ExpressionInvalid, Scope, compile_expression

KEYWORD = "x-cel"


def cel_problems(inputs: JsonValue, *, schema: object, at: str) -> Iterator[Problem]:
    """This will compile every input that the schema marks, and give what does not compile."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(inputs, Mapping) or not isinstance(properties, Mapping):
        return
    for name, value in inputs.items():
        below = properties.get(name)
        if isinstance(value, str) and isinstance(below, Mapping) and KEYWORD in below:
            yield from _problems(value, names=frozenset(below[KEYWORD]), at=path_to(at, name))
        else:
            yield from cel_problems(value, schema=below, at=path_to(at, name))


def evaluate(source: str, values: Mapping[str, object]) -> object:
    """This will evaluate such an input over what the adapter has received. Raises Refused when it has no result."""
    try:
        return _compiled(source, frozenset(values)).evaluate(values)  # type: ignore[arg-type]  # JSON, by the contract
    except (ExpressionInvalid, ExpressionFailed) as error:
        raise Refused(readable(str(error))) from error


def _problems(source: str, *, names: frozenset[str], at: str) -> Iterator[Problem]:
    if "${{" in source:
        hint = f"write the expression alone: it sees {', '.join(sorted(names))}, and nothing of the run"
        yield Problem(at, "this is an expression already: it takes no `${{ }}`", hint)
        return
    try:
        _compiled(source, names)
    except ExpressionInvalid as error:
        yield Problem(at, error.message, error.hint)


@lru_cache(maxsize=256)
def _compiled(source: str, names: frozenset[str]) -> Expression:
    return compile_expression(source, scope=Scope(steps=frozenset(), roots=names))
