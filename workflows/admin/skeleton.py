"""Makes a first input from an input schema, to be filled in by a person; pure, and never a valid input by promise."""

from collections.abc import Mapping, Sequence

from workflows.core.definition import JsonValue

_EMPTY: Mapping[str, JsonValue] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": [],
    "null": None,
}
_MAX_DEPTH = 6


def skeleton(schema: JsonValue, *, depth: int = 0) -> JsonValue:
    """This will give what the schema suggests: its default, example or first choice, else an empty value.

    >>> skeleton({"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "n": {"default": 3}}})
    {'id': '', 'n': 3}
    """
    if not isinstance(schema, Mapping):
        return None
    suggested = _suggested(schema)
    if suggested:
        return suggested[0]
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, depth=depth)
    if kind == "array" and schema.get("minItems") and depth < _MAX_DEPTH:
        return [skeleton(schema.get("items"), depth=depth + 1)]
    least = schema.get("minimum")
    if kind in ("integer", "number") and isinstance(least, int | float):
        return least
    return _EMPTY.get(kind)


def _suggested(schema: Mapping[str, JsonValue]) -> Sequence[JsonValue]:
    """Give the values the schema names itself, the best one first."""
    named = [schema[key] for key in ("const", "default") if key in schema]
    for key in ("examples", "enum"):
        choices = schema.get(key)
        if isinstance(choices, Sequence) and not isinstance(choices, str):
            named.extend(choices)
    return named


def _kind(schema: Mapping[str, JsonValue]) -> str:
    kind = schema.get("type")
    if isinstance(kind, Sequence) and not isinstance(kind, str):
        kind = kind[0] if kind else None
    if "properties" in schema:
        return "object"
    return kind if isinstance(kind, str) else ""


def _object(schema: Mapping[str, JsonValue], *, depth: int) -> JsonValue:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or depth >= _MAX_DEPTH:
        return {}
    return {name: skeleton(part, depth=depth + 1) for name, part in properties.items()}
