"""Reads the documents of schedules: shape, meaning, input; it stores nothing."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache

from automation.errors import ScheduleInvalid
from automation.models import DayCalendar
from automation.schedule.checking import schedule_problems
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.problems import Problem, path_to, suggestion
from workflows.core.templates import TemplateInvalid, has_code
from workflows.definition_schema import definition_schema
from workflows.expressions import CompiledValue, ExpressionInvalid, Scope, compile_value
from workflows.schema import Schema

SCOPE = Scope(steps=frozenset(), roots=frozenset({"schedule"}))
_APART = ("name", "input")


def compile_input(value: JsonValue) -> CompiledValue:
    """This will make the input of a schedule ready. Raises ExpressionInvalid, TemplateInvalid."""
    return compile_value(value, scope=SCOPE)


def rule_part(document: JsonObject) -> dict[str, JsonValue]:
    """This will give what of a schedule's document is its rule."""
    return {key: value for key, value in document.items() if key not in _APART}


def check_document(document: JsonObject, *, at: str = "$") -> None:
    """This will refuse a document that is no schedule, or names calendars that do not exist. Raises ScheduleInvalid."""
    shape = _shape().problems(document, at=at)
    wrong = {problem.path for problem in shape}
    meaning = [one for one in meaning_problems(document, at=at) if one.path not in wrong]
    problems = [*shape, *meaning]
    if not problems:
        problems = calendar_problems(document, at=at)
    if problems:
        raise ScheduleInvalid(problems)


def meaning_problems(document: JsonObject, *, at: str, wanted: JsonValue = None) -> Iterator[Problem]:
    """This will give what is wrong beyond the shape; `wanted` is the input schema of the workflow, if it is known."""
    yield from schedule_problems(document, at=at)
    place = path_to(at, "input")
    try:
        compile_input(document.get("input"))
    except (ExpressionInvalid, TemplateInvalid) as error:
        hint = getattr(error, "hint", "") or "templates see schedule.due_at, local_at, date, name and cause"
        yield Problem(place + error.path.removeprefix("$"), str(error), hint)
        return
    if isinstance(wanted, Mapping):
        yield from Schema(wanted).problems(document.get("input"), at=place, is_open=has_code)


def calendar_problems(document: JsonObject, *, at: str) -> list[Problem]:
    """This will give the calendars that are named and do not exist; without names it asks nobody."""
    named = document.get("calendars")
    if not isinstance(named, Sequence) or not named:
        return []
    known: Collection[str] = list(DayCalendar.objects.values_list("name", flat=True))
    return [
        Problem(
            path_to(at, "calendars", index),
            f"there is no calendar {name!r}",
            suggestion(str(name), known=known, noun="calendar"),
        )
        for index, name in enumerate(named)
        if name not in known
    ]


@lru_cache(maxsize=1)
def _shape() -> Schema:
    return Schema({"$ref": "#/$defs/schedule", "$defs": definition_schema()["$defs"]})
