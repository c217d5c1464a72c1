"""What a page needs for the answer to a request: fields, what was typed, what is wrong where; it changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflows.core.definition import JsonObject, JsonValue
from workflows.core.form_fields import Field, NotTyped, fields_of, typed_values
from workflows.core.problems import Problem
from workflows.core.voting import CHOICES, Choice, RequestKind
from workflows.human_errors import AnswerInvalid


@dataclass(frozen=True, slots=True)
class ShownField:
    """A field with what is wrong with it."""

    field: Field
    problems: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """The fields of a request's form, the comment, and what is wrong with neither of them alone."""

    fields: Sequence[ShownField]
    comment: str = ""
    problems: Sequence[str] = ()


def empty(schema: JsonObject | None) -> AnswerForm:
    """This will give the fields with their defaults."""
    return AnswerForm(fields=[ShownField(field, ()) for field in fields_of(schema or {})])


def typed(schema: JsonObject | None, *, values: Mapping[str, str], error: AnswerInvalid) -> AnswerForm:
    """This will give the fields as they were typed, each with what is wrong with it."""
    fields = fields_of(schema or {}, typed=values)
    told = {field.key: _told(error.problems, key=field.key) for field in fields}
    elsewhere = [_worded(one) for one in error.problems if not any(_is_at(one, key=key) for key in told)]
    return AnswerForm(
        fields=[ShownField(field, told[field.key]) for field in fields],
        comment=values.get("comment", ""),
        problems=elsewhere,
    )


def read(schema: JsonObject | None, *, values: Mapping[str, str]) -> JsonObject | None:
    """This will read the form out of what was typed. Raises AnswerInvalid."""
    if schema is None:
        return None
    try:
        return typed_values(schema, typed=values)
    except NotTyped as error:
        raise AnswerInvalid([Problem(f"$.form.{error.key}", str(error))]) from error


def chosen(kind: RequestKind, *, values: Mapping[str, str]) -> Choice:
    """This will read which button was pressed. Raises AnswerInvalid: no button is no decision."""
    for choice in CHOICES[kind]:
        if values.get("choice") == choice:
            return choice
    raise AnswerInvalid([Problem("$.choice", f"must be {' or '.join(CHOICES[kind])}")])


def shown_as(value: JsonValue) -> str:
    """This will say how what people see is laid out: as facts, a table, text, or JSON.

    >>> shown_as({"total": 1}), shown_as([{"a": 1}]), shown_as("x"), shown_as([1])
    ('facts', 'table', 'text', 'json')
    """
    if isinstance(value, Mapping):
        return "facts"
    if isinstance(value, str):
        return "text"
    is_table = isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)
    return "table" if is_table else "json"


def table_of(value: JsonValue) -> tuple[Sequence[str], Sequence[Sequence[JsonValue]]]:
    """This will give the columns and the rows of a list of mappings."""
    rows = [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return columns, [[row.get(column) for column in columns] for row in rows]


def _told(problems: Sequence[Problem], *, key: str) -> Sequence[str]:
    return [_worded(one) for one in problems if _is_at(one, key=key)]


def _is_at(problem: Problem, *, key: str) -> bool:
    """A key that is missing is a problem of the whole form: it belongs to its field."""
    if problem.path == "$.form" and problem.message == f"`{key}` is missing":
        return True
    at = problem.path
    return at == f"$.form.{key}" or at.startswith((f"$.form.{key}.", f"$.form.{key}["))


def _worded(problem: Problem) -> str:
    message = "is missing" if problem.message.endswith("` is missing") else problem.message
    return f"{message} ({problem.hint})" if problem.hint else message
