"""The adapter `file.read`: one file below the folder of its connection; it never changes anything.

    with: {path: in/orders.csv}

Its output is `{path, size_bytes, sha256, content}`.
"""

from collections.abc import Mapping

from integrations import contents, endpoints
from integrations.adapters.files import folders
from integrations.adapters.files import kind as _kind
from integrations.adapters.secrecy import masked
from integrations.contract import CallContext, ConnectionSettings

name = "file.read"
kind = _kind.kind
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"path": _kind.PATH, "encoding": contents.ENCODING},
    "required": ["path"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:  # noqa: ARG001
    """This will read the file. Raises Refused when it may not or it is too large, Unavailable without the disk."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        path = str(inputs["path"])
        data = folders.read(path, connection=settings)
        content = contents.encoded(data, inputs=inputs, what=path)
    return {"path": path, "size_bytes": len(data), "sha256": contents.digest(data), "content": content}


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True


def is_safe(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True
