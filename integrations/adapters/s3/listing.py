"""The adapter `s3.list`: the objects of a bucket under a prefix, by key; it never changes anything.

    with: {prefix: in/}

Its output is `{objects: [{key, size_bytes, etag, modified_at}], count}`.
"""

from collections.abc import Mapping

from integrations import endpoints
from integrations.adapters.s3 import kind as _kind
from integrations.adapters.secrecy import masked
from integrations.contract import CallContext, ConnectionSettings

name = "s3.list"
kind = _kind.kind
speaks_http = _kind.speaks_http
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "prefix": {"type": "string", "default": ""},
        "max_objects": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1_000},
    },
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will list the objects. Raises Refused when it may not or they are too many, Throttled or Unavailable."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        objects = _kind.bucket().listed(
            prefix=str(inputs.get("prefix", "")),
            most=int(str(inputs.get("max_objects", 1_000))),
            connection=settings,
            timeout_s=context.timeout_s,
        )
    return {"objects": objects, "count": len(objects)}


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True


def is_safe(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True
