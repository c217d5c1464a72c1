"""Judges one step of a definition: what it uses, its inputs, expressions and lengths; it builds nothing."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from workflows import asking_validation, event_matching, switch_validation
from workflows.cel_inputs import cel_problems
from workflows.core import subworkflow, switching
from workflows.core.asking import ASKING
from workflows.core.building import expression_source
from workflows.core.definition import RETURN, JsonObject, JsonValue
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.problems import Problem, path_to, suggestion
from workflows.core.templates import TemplateInvalid, has_code, sole_source
from workflows.core.timers import WaitInvalid, read_instant
from workflows.core.tolerance import ThresholdInvalid, parse_tolerance
from workflows.core.waiting_kinds import WAITING_KINDS
from workflows.expressions import (
    Expression,
    ExpressionInvalid,
    Scope,
    compile_condition,
    compile_expression,
    compile_value,
)
from workflows.pin_validation import KnownVersions, pin_problems
from workflows.schema import Schema
from workflows.timeout_validation import misplaced_timeouts, timeout_problems

BUILT_IN_USES: Mapping[str, JsonObject] = {
    "python": {
        "type": "object",
        "required": ["call"],
        "additionalProperties": False,
        "properties": {
            "call": {
                "type": "string",
                "description": "Name of the registered function, such as shop.book_line.",
            },
            "args": {"type": "object", "description": "Its arguments by name."},
        },
    },
    "set": {"type": "object", "description": "The output of the step."},
    **{uses: kind.schema for uses, kind in WAITING_KINDS.items()},
    switching.USES: switch_validation.SCHEMA,
    RETURN: {"type": "object", "description": "The output of the run, which ends here."},
}
"""What a step can use without any adapter: the JSON Schema of its `with`."""
_UNCONNECTED = frozenset(BUILT_IN_USES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a step is judged against: the steps before it and right behind it, all steps, and what is installed."""

    upstream: frozenset[str]
    steps: frozenset[str]
    uses: Mapping[str, JsonObject]
    functions: Collection[str] | None
    limits: Collection[str] | None = None
    dependents: frozenset[str] = frozenset()
    is_closing: bool = False
    versions: KnownVersions | None = None

    def scope(self, *, has_item: bool) -> Scope:
        """This will give what the expressions of the step may refer to."""
        return Scope(steps=self.upstream, has_item=has_item, known=self.steps, is_closing=self.is_closing)


def step_problems(step: JsonObject, *, at: str, surroundings: Surroundings) -> Iterator[Problem]:
    """This will give everything that is wrong with a step beyond its shape."""
    outer = surroundings.scope(has_item=False)
    yield from _use_problems(step, at=at, surroundings=surroundings)
    yield from _condition_problems(step.get("if"), at=path_to(at, "if"), scope=outer)
    yield from _for_each_problems(step, at=at, scope=outer)
    inner = surroundings.scope(has_item="for_each" in step)
    yield from _input_problems(step, at=path_to(at, "with"), scope=inner, uses=surroundings.uses)
    yield from _tolerance_problems(step, at=at)
    yield from _repetition_problems(step, at=at, scope=replace(inner, has_output=True))
    yield from _switch_problems(step, at=at, surroundings=surroundings)
    yield from duration_problems(step, at=at)
    yield from misplaced_timeouts(step, at=at, has_item="for_each" in step)
    if step.get("uses") == RETURN and "for_each" in step:
        yield Problem(path_to(at, "for_each"), "`return` ends the run once: it has no items", "take it out")
    yield from _limit_problems(step, at=path_to(at, "limits"), known=surroundings.limits)


def undo_problems(undo: JsonObject, *, at: str, has_item: bool, surroundings: Surroundings) -> Iterator[Problem]:
    """This will give everything that is wrong with the `undo` of a step beyond its shape."""
    yield from _use_problems(undo, at=at, surroundings=surroundings)
    scope = surroundings.scope(has_item=has_item)
    yield from _input_problems(undo, at=path_to(at, "with"), scope=scope, uses=surroundings.uses)
    yield from duration_problems(undo, at=at)
    yield from misplaced_timeouts(undo, at=at, has_item=has_item)


def _input_problems(step: JsonObject, *, at: str, scope: Scope, uses: Mapping[str, JsonObject]) -> Iterator[Problem]:
    inputs, name = step.get("with"), str(step.get("uses"))
    yield from cel_problems(inputs, schema=uses.get(name), at=at)
    if isinstance(inputs, Mapping) and event_matching.match_of(inputs, uses=name) is not None:
        yield from event_matching.match_problems(inputs, uses=name, at=at, scope=scope)
        inputs = event_matching.without_match(inputs)
    yield from template_problems(inputs, at=at, scope=scope)


def template_problems(value: JsonValue, *, at: str, scope: Scope) -> Iterator[Problem]:
    """This will compile every template in a value, and give what does not compile."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from template_problems(item, at=path_to(at, key), scope=scope)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from template_problems(item, at=path_to(at, index), scope=scope)
    elif isinstance(value, str):
        yield from _compile_problems(lambda: compile_value(value, scope=scope), at=at)


def duration_problems(holder: JsonObject, *, at: str) -> Iterator[Problem]:
    """This will judge `timeout` and the lengths inside `retry` of a step, or of `defaults`."""
    yield from timeout_problems(holder, at=at)
    retry = holder.get("retry")
    if not isinstance(retry, Mapping):
        return
    path = path_to(at, "retry")
    for key in ("first", "cap"):
        yield from length_problems(retry, key=key, at=path)
    if retry.get("budget") is not None:
        yield from length_problems(retry, key="budget", at=path, is_nothing_allowed=False)
    first, cap = _length(retry.get("first")), _length(retry.get("cap"))
    if first is not None and cap is not None and first > cap:
        yield Problem(path_to(path, "cap"), f"`cap` ({cap:g} s) is shorter than `first` ({first:g} s)")


def lane_problems(holder: JsonObject, *, at: str, lanes: Collection[str] | None) -> Iterator[Problem]:
    """This will judge the `queue` of a step, or of `defaults`, against the lanes there are (None: any will do)."""
    queue = holder.get("queue")
    if lanes is not None and isinstance(queue, str) and queue not in lanes:
        hint = suggestion(queue, known=lanes, noun="lane")
        yield Problem(path_to(at, "queue"), f"there is no lane {queue!r}", hint)


def length_problems(holder: JsonObject, *, key: str, at: str, is_nothing_allowed: bool = True) -> Iterator[Problem]:
    """This will judge one length of time, if it is there."""
    if key not in holder:
        return
    try:
        seconds = parse_duration(holder[key])
    except DurationInvalid as error:
        yield Problem(path_to(at, key), str(error))
        return
    if seconds == 0 and not is_nothing_allowed:
        yield Problem(path_to(at, key), f"`{key}` must be longer than nothing")


def _length(value: JsonValue) -> float | None:
    try:
        return parse_duration(value)
    except DurationInvalid:
        return None


def _use_problems(step: JsonObject, *, at: str, surroundings: Surroundings) -> Iterator[Problem]:
    uses = step.get("uses")
    if not isinstance(uses, str):
        return
    if uses not in surroundings.uses:
        hint = suggestion(uses, known=surroundings.uses, noun="use")
        yield Problem(path_to(at, "uses"), f"nothing called {uses!r} is installed", hint)
        return
    inputs = step.get("with", {})
    yield from Schema(surroundings.uses[uses]).problems(inputs, at=path_to(at, "with"), is_open=has_code)
    yield from _constant_problems(inputs, schema=surroundings.uses[uses], at=path_to(at, "with"))
    if uses == "python" and isinstance(inputs, Mapping):
        yield from _function_problems(inputs, at=path_to(at, "with"), functions=surroundings.functions)
    if uses == "wait" and isinstance(inputs, Mapping):
        yield from _wait_problems(inputs, at=path_to(at, "with"))
    if uses == subworkflow.USES and isinstance(inputs, Mapping):
        yield from pin_problems(inputs, at=path_to(at, "with"), known=surroundings.versions)
    if uses in ASKING and isinstance(inputs, Mapping):
        yield from asking_validation.asking_problems(inputs, at=path_to(at, "with"))
    yield from _connection_problems(step, uses=uses, inputs=inputs, at=at)


def _wait_problems(inputs: JsonObject, *, at: str) -> Iterator[Problem]:
    until = inputs.get("until")
    if "for" in inputs and not has_code(inputs["for"]):
        yield from length_problems(inputs, key="for", at=at)
    if isinstance(until, str) and not has_code(until):
        try:
            read_instant(until)
        except WaitInvalid as error:
            yield Problem(path_to(at, "until"), str(error).removeprefix("`until`: "))
    if "on_timeout" in inputs and "event" in inputs and not {"for", "until"} & inputs.keys():
        hint = "add `for` or `until`, or take `on_timeout` out"
        yield Problem(path_to(at, "on_timeout"), "without `for` or `until` it waits however long it takes", hint)


def _function_problems(inputs: JsonObject, *, at: str, functions: Collection[str] | None) -> Iterator[Problem]:
    name, path = inputs.get("call"), path_to(at, "call")
    if has_code(name):
        yield Problem(path, "the function must be named here, not computed", "write its name without `${{ }}`")
    elif functions is not None and isinstance(name, str):
        if name not in functions:
            hint = suggestion(name, known=functions, noun="function")
            yield Problem(path, f"no function {name!r} is registered", hint)
        elif isinstance(functions, Mapping):
            schema = Schema(functions[name])
            yield from schema.problems(inputs.get("args", {}), at=path_to(at, "args"), is_open=has_code)


def _constant_problems(inputs: JsonValue, *, schema: JsonObject, at: str) -> Iterator[Problem]:
    """A statement or a command must not be put together out of values: whoever sends one would write it."""
    properties = schema.get("properties")
    for name, described in properties.items() if isinstance(properties, Mapping) else ():
        if not (isinstance(described, Mapping) and described.get("x-constant")):
            continue
        if isinstance(inputs, Mapping) and has_code(inputs.get(name)):
            hint = "write it without `${{ }}`, and hand values over beside it, as its description says"
            yield Problem(path_to(at, name), "must be written here, not computed", hint)


def _connection_problems(step: JsonObject, *, uses: str, inputs: JsonValue, at: str) -> Iterator[Problem]:
    if "connection" in step and uses in _UNCONNECTED:
        yield Problem(path_to(at, "connection"), f"{uses!r} calls no outside system", "take it out")
    is_relative = isinstance(inputs, Mapping) and "path" in inputs and "url" not in inputs
    if uses == "http.request" and is_relative and "connection" not in step:
        hint = "name one, or write a whole `url` instead of `path`"
        yield Problem(path_to(at, "with", "path"), "a `path` needs a `connection` it belongs to", hint)


def _limit_problems(step: JsonObject, *, at: str, known: Collection[str] | None) -> Iterator[Problem]:
    limits = step.get("limits")
    if known is None or not isinstance(limits, list):
        return
    for index, name in enumerate(limits):
        if isinstance(name, str) and name not in known:
            hint = suggestion(name, known=known, noun="limit") if known else "there is no limit yet"
            message = f"there is no limit {name!r}"
            yield Problem(path_to(at, index), message, f"{hint}; `automation limits set {name} N` makes it")


def _switch_problems(step: JsonObject, *, at: str, surroundings: Surroundings) -> Iterator[Problem]:
    if step.get("uses") != switching.USES:
        return
    yield from switch_validation.switch_problems(
        step, at=at, steps=surroundings.steps, dependents=surroundings.dependents
    )
    inputs = step.get("with")
    conditions = inputs.get("conditions") if isinstance(inputs, Mapping) else None
    for number, one in enumerate(conditions if isinstance(conditions, list) else ()):
        if isinstance(one, Mapping):
            path = path_to(at, "with", "conditions", number, "if")
            yield from _condition_problems(one.get("if"), at=path, scope=surroundings.scope(has_item=False))


def _condition_problems(value: JsonValue, *, at: str, scope: Scope) -> Iterator[Problem]:
    if isinstance(value, str):
        yield from _source_problems(value, at=at, scope=scope, compile_source=compile_condition)


def _for_each_problems(step: JsonObject, *, at: str, scope: Scope) -> Iterator[Problem]:
    value = step.get("for_each")
    path = path_to(at, "for_each")
    if isinstance(value, str):
        yield from _source_problems(value, at=path, scope=scope, compile_source=_compile_list)
    else:
        yield from template_problems(value, at=path, scope=scope)
    if "parallel" in step and "for_each" not in step:
        hint = "add `for_each`, or take `parallel` out"
        yield Problem(path_to(at, "parallel"), "`parallel` counts items of a `for_each`, and there is none", hint)


def _tolerance_problems(step: JsonObject, *, at: str) -> Iterator[Problem]:
    if "on_failure" not in step:
        return
    path, value = path_to(at, "on_failure"), step["on_failure"]
    if "for_each" not in step:
        hint = "add `for_each`, or take `on_failure` out"
        yield Problem(path, "`on_failure` judges items of a `for_each`, and there is none", hint)
    if isinstance(value, Mapping) and isinstance(value.get("threshold"), str):
        try:
            parse_tolerance(value)
        except ThresholdInvalid as error:
            yield Problem(path_to(path, "threshold"), str(error))


def _repetition_problems(step: JsonObject, *, at: str, scope: Scope) -> Iterator[Problem]:
    value = step.get("repeat_until")
    if not isinstance(value, Mapping):
        return
    path = path_to(at, "repeat_until")
    if step.get("uses") in WAITING_KINDS:
        yield Problem(path, f"{step['uses']!r} waits for its end by itself", "repeat what a worker performs")
    yield from _condition_problems(value.get("condition"), at=path_to(path, "condition"), scope=scope)
    yield from length_problems(value, key="every", at=path)
    yield from length_problems(value, key="cap", at=path)


def _compile_list(source: str, *, scope: Scope) -> Expression:
    expression = compile_expression(source, scope=scope)
    if expression.returns != "dyn" and not expression.returns.startswith("list"):
        message = f"`for_each` must give a list, this gives {expression.returns}"
        raise ExpressionInvalid(message, source=source)
    return expression


def _source_problems(
    value: str, *, at: str, scope: Scope, compile_source: Callable[..., Expression]
) -> Iterator[Problem]:
    try:
        is_mixed = has_code(value) and sole_source(value) is None
    except TemplateInvalid as error:
        yield Problem(at, str(error))
        return
    if is_mixed:
        yield Problem(at, "must be one expression, without text around it", "write it all inside `${{ }}`")
        return
    yield from _compile_problems(lambda: compile_source(expression_source(value), scope=scope), at=at)


def _compile_problems(attempt: Callable[[], object], *, at: str) -> Iterator[Problem]:
    try:
        attempt()
    except ExpressionInvalid as error:
        yield Problem(at, error.message, error.hint)
    except TemplateInvalid as error:
        yield Problem(at, str(error))
