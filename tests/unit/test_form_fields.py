"""Forms from a JSON Schema: a field for each simple value, JSON for the rest, and back."""

import pytest

from workflows import answer_form
from workflows.core.form_fields import FieldKind, NotTyped, fields_of, typed_values
from workflows.core.problems import Problem
from workflows.human_errors import AnswerInvalid

SCHEMA = {
    "type": "object",
    "required": ["amount"],
    "properties": {
        "amount": {"type": "integer", "title": "Amount in cents", "default": 5},
        "rate": {"type": "number"},
        "level": {"enum": ["low", 2, None]},
        "is_final": {"type": "boolean"},
        "on": {"type": "string", "format": "date"},
        "why": {"type": "string", "maxLength": 1000},
        "tags": {"type": "array"},
    },
}


def test_fields_follow_the_schema() -> None:
    fields = fields_of(SCHEMA)

    assert [(field.name, field.kind, field.input_type) for field in fields] == [
        ("form.amount", FieldKind.INTEGER, "number"),
        ("form.rate", FieldKind.NUMBER, "number"),
        ("form.level", FieldKind.CHOICE, "text"),
        ("form.is_final", FieldKind.BOOLEAN, "text"),
        ("form.on", FieldKind.TEXT, "date"),
        ("form.why", FieldKind.LONG_TEXT, "text"),
        ("form.tags", FieldKind.JSON, "text"),
    ]
    assert (fields[0].label, fields[0].is_required, fields[0].text) == ("Amount in cents", True, "5")
    assert fields[2].choices == ["low", "2", "null"]


def test_what_is_typed_becomes_the_values_of_the_schema_and_nothing_is_left_out_silently() -> None:
    typed = {"form.amount": "7", "form.rate": "x", "form.level": "2", "form.is_final": "on", "form.tags": '["a"]'}

    assert typed_values(SCHEMA, typed=typed) == {
        "amount": 7,
        "rate": "x",
        "level": 2,
        "is_final": True,
        "tags": ["a"],
    }
    with pytest.raises(NotTyped):
        typed_values(SCHEMA, typed={"form.tags": "["})


def test_problems_stand_at_their_fields() -> None:
    problems = [
        Problem("$.form", "`amount` is missing"),
        Problem("$.form.tags[0]", "must be text"),
        Problem("$.x", "y"),
    ]

    form = answer_form.typed(SCHEMA, values={"form.rate": "1"}, error=AnswerInvalid(problems))

    told = {shown.field.key: list(shown.problems) for shown in form.fields if shown.problems}
    assert told == {"amount": ["is missing"], "tags": ["must be text"]}
    assert list(form.problems) == ["y"]
