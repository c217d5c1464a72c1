"""JSON Schema from Python type hints, as far as they are simple; it never inspects values."""

import dataclasses
import types
import typing
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from workflows.core.definition import JsonObject

Hint: TypeAlias = Any
"""A type hint: Python has no common type for them."""
_SCALARS: Mapping[Hint, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    types.NoneType: "null",
    None: "null",
    dict: "object",
    list: "array",
}


def schema_of(hint: Hint) -> JsonObject:
    """This will give the schema of a hint; hints it cannot judge allow anything.

    >>> schema_of(list[int]), schema_of(str | None)
    ({'type': 'array', 'items': {'type': 'integer'}}, {'anyOf': [{'type': 'string'}, {'type': 'null'}]})
    """
    if isinstance(hint, Hashable) and hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if typing.is_typeddict(hint):
        return _object_schema(typing.get_type_hints(hint), required=hint.__required_keys__)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass_schema(hint)
    return _generic_schema(typing.get_origin(hint), typing.get_args(hint))


def _generic_schema(origin: Hint, arguments: tuple[Hint, ...]) -> JsonObject:
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema_of(argument) for argument in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Required, typing.NotRequired, typing.Annotated):
        return schema_of(arguments[0])
    if origin in (list, Sequence):
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin in (dict, Mapping) and arguments[0] is str:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    return {}


def _dataclass_schema(hint: Hint) -> JsonObject:
    required = {
        field.name
        for field in dataclasses.fields(hint)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    hints = typing.get_type_hints(hint)
    return _object_schema({field.name: hints[field.name] for field in dataclasses.fields(hint)}, required=required)


def _object_schema(hints: Mapping[str, Hint], *, required: Collection[str]) -> JsonObject:
    return {
        "type": "object",
        "required": sorted(required),
        "properties": {name: schema_of(hint) for name, hint in hints.items()},
    }
