"""Expressions in CEL: compiled once, evaluated many times over plain JSON; they have no effects.

They see `input`, `steps.<id>.output` and `steps.<id>.state` of earlier steps, the fields of `run`, and inside
a `for_each` also `item` and `index`; any other name is refused when it is compiled. Only what a source names
is handed to CEL, and a source that is nothing but a path (`input.lines[0].id`) never goes there at all.
What `evaluate` gives may be a part of the context or of the definition: treat it as read-only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cel_expr_python import cel
from cel_expr_python.ext import ext_math, ext_strings

from workflows.cel_errors import explain_compile_error, explain_result_error
from workflows.cel_values import ResultUnusable, bounded_numbers, json_value
from workflows.core.definition import JsonValue
from workflows.core.paths import Path, PathMissing, read_path
from workflows.core.projection import Selection, pick, selection_of
from workflows.core.templates import Context, Evaluate, build, written
from workflows.core.tokens import Chain, chains, plain_path

MAX_SOURCE_BYTES = 4096
RUN_FIELDS: Mapping[str, cel.Type] = {
    "id": cel.Type.STRING,
    "workflow": cel.Type.STRING,
    "version": cel.Type.INT,
    "correlation_id": cel.Type.STRING,
    "started_at": cel.Type.STRING,
}
CLOSING_FIELDS: Mapping[str, cel.Type] = {"ending": cel.Type.STRING, "error": cel.Type.DYN}
"""What is known of a run that is ending, to its undo and its `finally` steps."""
STEP_FIELDS: Mapping[str, cel.Type] = {"output": cel.Type.DYN, "state": cel.Type.STRING}
_STEP_TYPES: Mapping[str, cel.Type] = {**STEP_FIELDS, "grown": cel.Type.DYN}
_ROOTS: Mapping[str, cel.Type] = {
    "input": cel.Type.DYN,
    "output": cel.Type.DYN,
    "item": cel.Type.DYN,
    "index": cel.Type.INT,
    "event": cel.Type.DYN,
}
_EXTENSIONS = (ext_strings.ExtStrings(), ext_math.ExtMath())


class ExpressionInvalid(ValueError):
    """A source that does not compile; `hint` says what would be right."""

    def __init__(self, message: str, *, source: str, hint: str = "", path: str = "$") -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.hint = hint
        self.path = path


class ExpressionFailed(Exception):
    """A compiled expression had no result for this context."""

    def __init__(self, message: str, *, source: str) -> None:
        super().__init__(f"{message}, in: {source}")
        self.message = message
        self.source = source


@dataclass(frozen=True, slots=True)
class Scope:
    """What the expressions of one place may refer to.

    `steps` are those that end before it; `has_item` is true inside a `for_each`, `has_output` behind the call of a
    step, `has_event` where an event is judged, `is_closing` in undo and `finally`; `known` are all steps of the
    definition and only makes messages better. Outside of runs, `roots` are the only names there are.
    """

    steps: frozenset[str]
    has_item: bool = False
    known: frozenset[str] = frozenset()
    roots: frozenset[str] = frozenset()
    has_output: bool = False
    is_closing: bool = False
    has_event: bool = False

    @property
    def run_fields(self) -> Mapping[str, cel.Type]:
        """This will give the fields of `run`."""
        return {**RUN_FIELDS, **CLOSING_FIELDS} if self.is_closing else RUN_FIELDS

    def names(self) -> tuple[str, ...]:
        """This will list what may be written, for messages."""
        if self.roots:
            return tuple(sorted(self.roots))
        steps = (f"steps.{step}.{name}" for step in sorted(self.steps) for name in STEP_FIELDS)
        items = ("item", "index") if self.has_item else ()
        output = ("output",) if self.has_output else ()
        event = ("event",) if self.has_event else ()
        return ("input", *output, *event, *items, *steps, *(f"run.{name}" for name in self.run_fields))


@dataclass(frozen=True, slots=True)
class CompiledValue:
    """A JSON value with its templates compiled; `references` are the steps whose results it looks at."""

    evaluate: Evaluate
    references: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Expression(CompiledValue):
    """One compiled source; `returns` is the CEL type it gives, `dyn` when that depends on the data."""

    source: str = ""
    returns: str = "dyn"


@dataclass(frozen=True, slots=True)
class _Binding:
    """One CEL variable, where its value stands in the context, and which parts of it the source names."""

    name: str
    type: cel.Type
    path: Chain
    selection: Selection = field(default_factory=dict)


def compile_expression(source: str, *, scope: Scope) -> Expression:
    """This will make one source (without `${{ }}`) ready. Raises ExpressionInvalid."""
    size = len(source.encode("utf-8", errors="replace"))
    if size > MAX_SOURCE_BYTES:
        message = f"the expression is {size} bytes long: at most {MAX_SOURCE_BYTES} are allowed"
        raise ExpressionInvalid(message, source=source, hint="compute the value in a python step")
    bindings = _bindings(source, scope=scope)
    environment = _environment(frozenset((binding.name, binding.type.name()) for binding in bindings))
    try:
        compiled = environment.compile(source)
    except RuntimeError as error:
        message, hint = explain_compile_error(str(error), names=scope.names(), known_steps=scope.known)
        raise ExpressionInvalid(message, source=source, hint=hint) from error
    path = plain_path(source) if bindings else None
    return Expression(
        evaluate=_runner(compiled, bindings=bindings, source=source)
        if path is None
        else _path_reader(path, source=source),
        references=frozenset(binding.path[1] for binding in bindings if binding.path[0] == "steps"),
        source=source,
        returns=compiled.return_type().name().lower(),
    )


def compile_condition(source: str, *, scope: Scope) -> Expression:
    """This will make an `if` ready: it is refused, now or when evaluated, unless it gives true or false."""
    expression = compile_expression(source, scope=scope)
    if expression.returns not in ("bool", "dyn"):
        message = f"a condition must give true or false, this gives {expression.returns}"
        raise ExpressionInvalid(message, source=source, hint="compare it with something, as in `... > 0`")
    inner = expression.evaluate

    def evaluate(context: Context) -> JsonValue:
        value = inner(context)
        if value is True or value is False:
            return value
        message = f"a condition must give true or false, this gave {written(value)[:80]}"
        raise ExpressionFailed(message, source=source)

    return Expression(evaluate=evaluate, references=expression.references, source=source, returns="bool")


def compile_value(value: JsonValue, *, scope: Scope) -> CompiledValue:
    """This will make a JSON value ready; without templates it is given back as it is.

    Raises ExpressionInvalid or `core.templates.TemplateInvalid`, whose `path` starts from `$` for the value.
    """
    references: set[str] = set()

    def compile_source(source: str, path: str) -> Evaluate:
        try:
            expression = compile_expression(source, scope=scope)
        except ExpressionInvalid as error:
            error.path = path
            raise
        references.update(expression.references)
        return expression.evaluate

    evaluate = build(value, compile_source=compile_source)
    if evaluate is None:
        return CompiledValue(evaluate=lambda _context: value)
    return CompiledValue(evaluate=evaluate, references=frozenset(references))


def _bindings(source: str, *, scope: Scope) -> tuple[_Binding, ...]:
    found: dict[str, tuple[cel.Type, Chain, list[Chain]]] = {}
    for chain in chains(source):
        target = _target(chain, scope=scope)
        if target is not None:
            type_, path = target
            found.setdefault(".".join(path), (type_, path, []))[2].append(chain[len(path) :])
    return tuple(
        _Binding(name=name, type=type_, path=path, selection=selection_of(rests))
        for name, (type_, path, rests) in sorted(found.items())
    )


def _target(chain: Chain, *, scope: Scope) -> tuple[cel.Type, Chain] | None:
    if scope.roots:
        return (cel.Type.DYN, chain[:1]) if chain[0] in scope.roots else None
    match chain:
        case ("steps", step, name, *_) if step in scope.steps and name in _STEP_TYPES:
            return _STEP_TYPES[name], chain[:3]
        case ("run", name, *_) if name in scope.run_fields:
            return scope.run_fields[name], chain[:2]
        case ("input", *_):
            return _ROOTS["input"], chain[:1]
        case ("event", *_) if scope.has_event:
            return _ROOTS["event"], chain[:1]
        case ("output", *_) if scope.has_output:
            return _ROOTS["output"], chain[:1]
        case (("item" | "index") as name, *_) if scope.has_item:
            return _ROOTS[name], chain[:1]
        case _:
            return None


@lru_cache(maxsize=256)
def _environment(variables: frozenset[tuple[str, str]]) -> cel.Env:
    """This will build the CEL environment that declares these names; the first compile in one costs most."""
    types = {"STRING": cel.Type.STRING, "INT": cel.Type.INT, "DYN": cel.Type.DYN}
    return cel.NewEnv(variables={name: types[type_name] for name, type_name in variables}, extensions=_EXTENSIONS)


def _runner(compiled: cel.Expression, *, bindings: tuple[_Binding, ...], source: str) -> Evaluate:
    parts = tuple((binding.name, _path_reader(binding.path, source=source), binding.selection) for binding in bindings)

    def evaluate(context: Context) -> JsonValue:
        data = {name: pick(read(context), selection) for name, read, selection in parts}
        try:
            result = compiled.eval(data=data)
            if _is_error(result) and " out of range for '" in str(result.plain_value()):
                result = compiled.eval(data=bounded_numbers(data))
            value = result.plain_value()
            if type(value) is str and _is_error(result):
                raise ExpressionFailed(explain_result_error(value), source=source)
            return json_value(value)
        except (RuntimeError, OverflowError) as error:  # the work budget, text that is not Unicode
            raise ExpressionFailed(explain_result_error(str(error)), source=source) from error
        except ResultUnusable as error:
            raise ExpressionFailed(str(error), source=source) from error

    return evaluate


def _is_error(result: cel.Value) -> bool:
    return bool(result.type() == cel.Type.ERROR)


def _with_growth(context: Context, *, step: str) -> Context:
    """A step that has returned no further steps has grown nothing."""
    steps = context.get("steps")
    result = steps.get(step) if isinstance(steps, Mapping) else None
    return {"steps": {step: {"grown": {}, **result}}} if isinstance(result, Mapping) else context


def _path_reader(path: Path, *, source: str) -> Callable[[Context], JsonValue]:
    is_grown = path[2:3] == ("grown",)

    def evaluate(context: Context) -> JsonValue:
        try:
            return read_path(_with_growth(context, step=str(path[1])) if is_grown else context, path)
        except PathMissing as error:
            raise ExpressionFailed(str(error), source=source) from error

    return evaluate
