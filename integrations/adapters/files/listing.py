"""The adapter `file.list`: the files of one folder, by name; it never changes anything.

    with: {path: in, pattern: "orders-*.csv"}

Its output is `{files: [{path, size_bytes, modified_at}], count}`.
"""

from collections.abc import Mapping

from integrations import endpoints
from integrations.adapters.files import folders
from integrations.adapters.files import kind as _kind
from integrations.adapters.secrecy import masked
from integrations.contract import CallContext, ConnectionSettings

name = "file.list"
kind = _kind.kind
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "path": {**_kind.PATH, "minLength": 0, "pattern": "^([^/\\u0000][^\\u0000]*)?$", "default": ""},
        "pattern": {"type": "string", "minLength": 1, "default": "*", "description": "Such as orders-*.csv"},
        "max_files": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1_000},
    },
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:  # noqa: ARG001
    """This will list the files. Raises Refused when it may not or they are too many, Unavailable without the disk."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        files = folders.listed(
            str(inputs.get("path", "")),
            pattern=str(inputs.get("pattern", "*")),
            most=int(str(inputs.get("max_files", 1_000))),
            connection=settings,
        )
    return {"files": files, "count": len(files)}


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True


def is_safe(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True
