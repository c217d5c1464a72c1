"""Judges the `timeout` of a step, an undo or `defaults`: each length, and whether it means anything there."""

from collections.abc import Iterator, Mapping

from workflows.core.allowances import BEATING, HEARTBEAT, KEYS, SCHEDULE_TO_CLOSE, SCHEDULE_TO_START
from workflows.core.definition import JsonObject
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.problems import Problem, path_to


def timeout_problems(holder: JsonObject, *, at: str) -> Iterator[Problem]:
    """This will judge every length of a `timeout`, if there is one."""
    if "timeout" not in holder:
        return
    timeout, path = holder["timeout"], path_to(at, "timeout")
    lengths = {path: timeout}
    if isinstance(timeout, Mapping):
        lengths = {path_to(path, key): timeout[key] for key in KEYS if key in timeout}
    for where, value in lengths.items():
        try:
            is_nothing = parse_duration(value) == 0
        except DurationInvalid as error:
            yield Problem(where, str(error))
            continue
        if is_nothing:
            yield Problem(where, "`timeout` must be longer than nothing")


def misplaced_timeouts(step: JsonObject, *, at: str, has_item: bool) -> Iterator[Problem]:
    """This will give the times that mean nothing for a step of this kind."""
    timeout, path = step.get("timeout"), path_to(at, "timeout")
    if not isinstance(timeout, Mapping):
        return
    if HEARTBEAT in timeout and step.get("uses") != BEATING:
        hint = "take it out, or call a function that beats (`context.heartbeat`)"
        yield Problem(path_to(path, HEARTBEAT), f"only a `{BEATING}` step can beat", hint)
    for key in (SCHEDULE_TO_START, SCHEDULE_TO_CLOSE):
        if key in timeout and has_item:
            hint = "bound each item by `start_to_close` and `retry.budget`, or the run by `deadline`"
            yield Problem(path_to(path, key), f"`{key}` is of one step, a `for_each` has many items", hint)
