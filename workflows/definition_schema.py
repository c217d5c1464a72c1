"""The published JSON Schema of definitions, as it is and as editors want it; it checks nothing itself."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from workflows.core.definition import JsonObject

_FILE = Path(__file__).with_name("definition.schema.json")


@lru_cache(maxsize=1)
def definition_schema() -> JsonObject:
    """This will give the published schema of definitions, as it stands in the repository."""
    document: JsonObject = orjson.loads(_FILE.read_bytes())
    return document


def published_schema(uses: Mapping[str, JsonObject], *, lanes: Collection[str] = ()) -> JsonObject:
    """This will give the schema for editors: with every installed `uses`, what each takes in `with`, and the lanes.

    Only names and keys of `with` are told: any value may be a template.
    """
    document: Any = orjson.loads(_FILE.read_bytes())  # Any: a private copy, changed in place
    if lanes:
        document["$defs"]["queue"]["enum"] = list(lanes)
    for name in ("step", "undo"):
        _tell_uses(document["$defs"][name], uses=uses)
    return dict(document)


def _tell_uses(step: Any, *, uses: Mapping[str, JsonObject]) -> None:  # Any: a part of the schema, changed in place
    step["properties"]["uses"] = {**step["properties"]["uses"], "enum": sorted(uses)}
    step["allOf"] = [
        {
            "if": {"required": ["uses"], "properties": {"uses": {"const": name}}},
            "then": {"properties": {"with": _keys_only(uses[name])}},
        }
        for name in sorted(uses)
    ]


def _keys_only(schema: JsonObject) -> dict[str, object]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {"type": "object"}
    told = {
        key: {"description": shown["description"]} if isinstance(shown, Mapping) and "description" in shown else {}
        for key, shown in properties.items()
    }
    closed = {"additionalProperties": False} if schema.get("additionalProperties") is False else {}
    return {"type": "object", "properties": told, **closed}
