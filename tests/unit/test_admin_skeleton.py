"""The first input that the start form suggests."""

import pytest

from workflows.admin.skeleton import skeleton
from workflows.core.definition import JsonValue


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, ""),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": ["number", "null"]}, 0),
        ({"type": "boolean", "default": True}, True),
        ({"enum": ["a", "b"]}, "a"),
        ({"const": 7}, 7),
        ({"examples": ["x"]}, "x"),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "array", "minItems": 1, "items": {"type": "string"}}, [""]),
        ({"type": "object"}, {}),
        (
            {"properties": {"a": {"type": "null"}, "b": {"properties": {"c": {"type": "string"}}}}},
            {"a": None, "b": {"c": ""}},
        ),
        (True, None),
        ({}, None),
    ],
)
def test_skeleton_suggests_what_the_schema_says(schema: JsonValue, expected: JsonValue) -> None:
    assert skeleton(schema) == expected


def test_skeleton_ends_in_schemas_that_are_deep() -> None:
    schema: JsonValue = {"type": "string"}
    for _ in range(50):
        schema = {"type": "object", "properties": {"inner": schema}}

    assert "inner" in str(skeleton(schema))
