"""The adapter `file.write`: one file below the folder of its connection, as a whole or not at all.

    with: {path: out/orders.csv, content: "${{ steps.export.output.csv }}"}

Its output is `{path, size_bytes, sha256}`.
"""

from collections.abc import Mapping

from integrations import contents, endpoints
from integrations.adapters.files import folders
from integrations.adapters.files import kind as _kind
from integrations.adapters.secrecy import masked
from integrations.contract import CallContext, ConnectionSettings, LookUp

name = "file.write"
kind = _kind.kind
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "path": _kind.PATH,
        "content": {"type": "string"},
        "encoding": contents.ENCODING,
        "if_exists": contents.IF_EXISTS,
    },
    "required": ["path", "content"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will write the file. Raises Refused when it may not, Unavailable when the disk is full or away."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        path, data = str(inputs["path"]), contents.decoded(inputs)
        folders.write(
            path,
            data,
            connection=settings,
            key=context.idempotency_key,
            may_replace=inputs.get("if_exists", "replace") == "replace",
        )
    return _output(path, data)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: the same content ends in the same place."""
    return True


def can_look_up(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: the file is there with its content, or it is not."""
    return True


def look_up(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> LookUp:  # noqa: ARG001
    """This will find out whether the file is there with this content. Raises Refused and Unavailable."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        path, data = str(inputs["path"]), contents.decoded(inputs)
        there = folders.find(path, most=len(data), connection=settings)
    return contents.verdict(there, wanted=data, output=_output(path, data))


def _output(path: str, data: bytes) -> Mapping[str, object]:
    return {"path": path, "size_bytes": len(data), "sha256": contents.digest(data)}
