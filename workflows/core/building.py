"""Builds a definition from a document that has been checked before; on any other it fails without grace."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workflows.core.allowances import START_TO_CLOSE, allowance_of, parse_timeouts
from workflows.core.deadlines import parse_deadline
from workflows.core.definition import (
    CancelPolicy,
    Definition,
    Jitter,
    JsonObject,
    JsonValue,
    RetryPolicy,
    StepDefinition,
    undo_id,
)
from workflows.core.durations import parse_duration
from workflows.core.flow_control import restore_flow_control
from workflows.core.repetition import Repetition, parse_repetition
from workflows.core.states import FailureKind, JoinRule, Phase, UndoWhen
from workflows.core.templates import sole_source
from workflows.core.tolerance import parse_tolerance

_Checked = Mapping[str, Any]  # Any: the schema has checked what stands where


def restore_definition(document: JsonObject) -> Definition:
    """This will build the definition of a published document, with `defaults` merged into its steps."""
    checked: _Checked = document
    defaults = checked.get("defaults", {})
    fairness = checked.get("fairness", {})
    return Definition(
        name=checked["name"],
        description=checked.get("description", ""),
        input_schema=_input_schema(checked.get("input")),
        deadline=parse_deadline(checked.get("deadline")),
        steps=tuple(_step(step_id, step, defaults=defaults) for step_id, step in checked["steps"].items()),
        output=checked.get("output"),
        fairness_key=fairness.get("key"),
        fairness_weight=float(fairness.get("weight", 1.0)),
        flow=restore_flow_control(checked),
        undo_steps=tuple(
            _undo(step_id, step, defaults=defaults) for step_id, step in checked["steps"].items() if "undo" in step
        ),
        finally_steps=tuple(
            replace(_step(step_id, step, defaults=defaults), phase=Phase.FINALLY)
            for step_id, step in checked.get("finally", {}).items()
        ),
        undoes_on_failure=_undoes_on_failure(checked),
        cancel=_cancel(checked),
    )


def expression_source(value: str | bool) -> str:
    """This will give the source of an `if` or `for_each`, which may be written with or without `${{ }}`.

    >>> expression_source("${{ input.total > 0 }}"), expression_source("input.ok"), expression_source(False)
    ('input.total > 0', 'input.ok', 'false')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return sole_source(value) or value


def needs_of(value: object) -> tuple[str, ...]:
    """This will give `needs` as a tuple, whether it was written as one name, a list, or not at all."""
    if isinstance(value, str):
        return (value,)
    return tuple(need for need in value if isinstance(need, str)) if isinstance(value, list | tuple) else ()


def _step(step_id: str, step: _Checked, *, defaults: _Checked) -> StepDefinition:
    standard = StepDefinition(id=step_id, uses=step["uses"])
    condition = step.get("if")
    timeouts = {**parse_timeouts(defaults.get("timeout")), **parse_timeouts(step.get("timeout"))}
    return StepDefinition(
        id=step_id,
        uses=step["uses"],
        needs=needs_of(step.get("needs")),
        when=JoinRule(step.get("when", standard.when)),
        condition=None if condition is None else expression_source(condition),
        for_each=_for_each(step.get("for_each")),
        parallel=int(step.get("parallel", standard.parallel)),
        on_failure=parse_tolerance(step["on_failure"]) if "on_failure" in step else None,
        repeat_until=_repetition(step.get("repeat_until")),
        inputs=step.get("with", {}),
        connection=step.get("connection"),
        limits=tuple(step.get("limits", ())),
        queue=step.get("queue", defaults.get("queue", standard.queue)),
        retry=_retry({**defaults.get("retry", {}), **step.get("retry", {})}),
        timeout_s=timeouts.get(START_TO_CLOSE, standard.timeout_s),
        allowance=allowance_of(timeouts, uses=step["uses"], has_items="for_each" in step),
    )


def _undo(step_id: str, step: _Checked, *, defaults: _Checked) -> StepDefinition:
    """Items are undone one at a time: which there are is known when it comes to it."""
    undo: _Checked = step["undo"]
    document = {**({"queue": step["queue"]} if "queue" in step else {}), **undo}
    if "for_each" in step:
        document["for_each"] = []
    return replace(
        _step(undo_id(step_id), document, defaults=defaults),
        phase=Phase.UNDO,
        undoes=step_id,
        undo_when=UndoWhen(step.get("undo_when", UndoWhen.COMPLETED)),
    )


def _undoes_on_failure(document: _Checked) -> bool:
    return bool(document.get("undo", "automatic") == "automatic")


def _cancel(document: _Checked) -> CancelPolicy:
    cancel = document.get("cancel", {})
    grace_s = parse_duration(cancel.get("grace", 0))
    return CancelPolicy(grace_s=grace_s, is_undoing=bool(cancel.get("undo", _undoes_on_failure(document))))


def _repetition(value: _Checked | None) -> Repetition | None:
    if value is None:
        return None
    return parse_repetition(value, condition=expression_source(value["condition"]))


def _for_each(value: JsonValue) -> str | list[JsonValue] | None:
    if value is None or isinstance(value, list):
        return value
    return expression_source(str(value))


def _retry(retry: _Checked) -> RetryPolicy:
    standard = RetryPolicy()
    budget = retry.get("budget", standard.budget_s)
    return RetryPolicy(
        attempts=int(retry.get("attempts", standard.attempts)),
        first_s=parse_duration(retry.get("first", standard.first_s)),
        factor=float(retry.get("factor", standard.factor)),
        cap_s=parse_duration(retry.get("cap", standard.cap_s)),
        jitter=Jitter(retry.get("jitter", standard.jitter)),
        budget_s=None if budget is None else parse_duration(budget),
        on=frozenset(FailureKind(kind) for kind in retry["on"]) if "on" in retry else standard.on,
    )


def _input_schema(schema: JsonObject | bool | None) -> JsonObject | None:
    if isinstance(schema, bool):
        return None if schema else {"not": {}}
    return schema
