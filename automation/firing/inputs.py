"""The input of a run that a schedule starts: constant, or a template over the fire."""

from functools import lru_cache

import orjson

from automation.models import Fire, Schedule
from automation.schedule_queries import rule_of
from automation.scheduling.documents import compile_input
from workflows.core.definition import JsonValue
from workflows.expressions import CompiledValue


def input_of(schedule: Schedule, *, fire: Fire) -> JsonValue:
    """This will give the input. Raises ExpressionFailed when a template has no result."""
    local = fire.due_at.astimezone(rule_of(schedule).zone)
    seen = {
        "name": schedule.name,
        "due_at": fire.due_at.isoformat(),
        "local_at": local.isoformat(),
        "date": local.date().isoformat(),
        "cause": fire.cause,
    }
    return _compiled(orjson.dumps(schedule.input)).evaluate({"schedule": seen})


@lru_cache(maxsize=1024)
def _compiled(text: bytes) -> CompiledValue:
    return compile_input(orjson.loads(text))
