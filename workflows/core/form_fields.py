"""A JSON Schema as fields of a form, and what was typed into them as JSON; it checks nothing against the schema.

Text, numbers, whole numbers, yes or no, choices and dates get fields of their own; everything else is typed as JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson

from workflows.core.definition import JsonObject, JsonValue

PREFIX = "form."
"""What the names of the fields begin with, so that they meet no others."""
_DATES = {"date": "date", "date-time": "text", "email": "email", "uri": "url"}
_LONG = 200


class FieldKind(StrEnum):
    """How a value is typed."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `choices` are the `values` to choose from as they are typed; `text` is what stands in it."""

    key: str
    kind: FieldKind
    label: str
    hint: str
    is_required: bool
    text: str
    input_type: str = "text"
    choices: Sequence[str] = ()
    values: Sequence[JsonValue] = ()

    @property
    def name(self) -> str:
        """This will give the name of the field in the page."""
        return f"{PREFIX}{self.key}"


class NotTyped(ValueError):
    """What was typed is no JSON; `key` is the field."""

    def __init__(self, key: str) -> None:
        super().__init__("is no JSON")
        self.key = key


def fields_of(schema: JsonObject, *, typed: Mapping[str, str] | None = None) -> Sequence[Field]:
    """This will give the fields of a schema in its order, with what was typed, or else with the defaults.

    >>> [(field.key, field.kind.value) for field in fields_of({"properties": {"ok": {"type": "boolean"}}})]
    [('ok', 'boolean')]
    """
    properties = schema.get("properties")
    required = schema.get("required")
    known = required if isinstance(required, list | tuple) else ()
    if not isinstance(properties, Mapping):
        return []
    return [
        _field(key, part if isinstance(part, Mapping) else {}, is_required=key in known, typed=typed)
        for key, part in properties.items()
    ]


def typed_values(schema: JsonObject, *, typed: Mapping[str, str]) -> JsonObject:
    """This will read what was typed, by the names of the fields; what is empty is left out. Raises NotTyped.

    What cannot be the number it should be stays a text, and the schema says so at its place.
    """
    found: dict[str, JsonValue] = {}
    for field in fields_of(schema):
        text = typed.get(field.name, "")
        if field.kind is FieldKind.BOOLEAN:
            found[field.key] = text in ("on", "true")
        elif text.strip():
            found[field.key] = _value(field, text)
    return found


def _field(key: str, part: JsonObject, *, is_required: bool, typed: Mapping[str, str] | None) -> Field:
    kind = _kind(part)
    default = part.get("default")
    text = "" if default is None else _written(default, kind=kind)
    if typed is not None:
        text = typed.get(f"{PREFIX}{key}", "")
    return Field(
        key=key,
        kind=kind,
        label=str(part.get("title") or key.replace("_", " ").capitalize()),
        hint=str(part.get("description", "")),
        is_required=is_required,
        text=text,
        input_type=_input_type(part, kind=kind),
        choices=[_written(one, kind=kind) for one in _choices(part)],
        values=_choices(part),
    )


def _kind(part: JsonObject) -> FieldKind:
    if _choices(part):
        return FieldKind.CHOICE
    match part.get("type"):
        case "string":
            longest = part.get("maxLength")
            return FieldKind.LONG_TEXT if isinstance(longest, int) and longest > _LONG else FieldKind.TEXT
        case "number":
            return FieldKind.NUMBER
        case "integer":
            return FieldKind.INTEGER
        case "boolean":
            return FieldKind.BOOLEAN
        case _:
            return FieldKind.JSON


def _input_type(part: JsonObject, *, kind: FieldKind) -> str:
    if kind in (FieldKind.NUMBER, FieldKind.INTEGER):
        return "number"
    return _DATES.get(str(part.get("format", "")), "text")


def _choices(part: JsonObject) -> Sequence[JsonValue]:
    values = part.get("enum")
    return values if isinstance(values, list | tuple) else ()


def _written(value: JsonValue, *, kind: FieldKind) -> str:
    if isinstance(value, str) and kind is not FieldKind.JSON:
        return value
    return orjson.dumps(value).decode()


def _value(field: Field, text: str) -> JsonValue:
    match field.kind:
        case FieldKind.TEXT | FieldKind.LONG_TEXT:
            return text
        case FieldKind.CHOICE:
            return dict(zip(field.choices, field.values, strict=True)).get(text, text)
        case FieldKind.JSON:
            try:
                value: JsonValue = orjson.loads(text)
            except ValueError as error:
                raise NotTyped(field.key) from error
            return value
        case _:
            return _number(text, is_whole=field.kind is FieldKind.INTEGER)


def _number(text: str, *, is_whole: bool) -> JsonValue:
    try:
        return int(text) if is_whole else float(text)
    except ValueError:
        return text
