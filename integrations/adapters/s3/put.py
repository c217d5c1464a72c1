"""The adapter `s3.put`: one object into a bucket.

    with: {key: in/orders.csv, content: "${{ steps.export.output.csv }}", if_exists: refuse}

With `if_exists: refuse` the service itself decides (If-None-Match), and the object that this very call wrote before is
no conflict. Its output is `{key, size_bytes, sha256, etag}`.
"""

from collections.abc import Mapping

from integrations import contents, endpoints
from integrations.adapters.s3 import kind as _kind
from integrations.adapters.secrecy import masked
from integrations.contract import CallContext, CannotTell, ConnectionSettings, DidNotHappen, Happened, LookUp

name = "s3.put"
kind = _kind.kind
speaks_http = _kind.speaks_http
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "key": _kind.KEY,
        "content": {"type": "string"},
        "encoding": contents.ENCODING,
        "content_type": {"type": "string", "pattern": "^[ -~]+$", "default": "application/octet-stream"},
        "if_exists": contents.IF_EXISTS,
    },
    "required": ["key", "content"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will write the object. Raises Refused when it may not, Throttled, Unavailable, or Unknown."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        key, data = str(inputs["key"]), contents.decoded(inputs)
        etag = _kind.bucket().put(
            key=key,
            data=data,
            content_type=str(inputs.get("content_type", "application/octet-stream")),
            connection=settings,
            timeout_s=context.timeout_s,
            call_key=context.idempotency_key,
            may_replace=inputs.get("if_exists", "replace") == "replace",
        )
    return _output(key, data, etag=etag)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: the same content ends under the same key."""
    return True


def can_look_up(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: an object says which call wrote it."""
    return True


def look_up(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> LookUp:
    """This will find out whether the object is there as this call wrote it. Raises Refused and Unavailable."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        key, data = str(inputs["key"]), contents.decoded(inputs)
        there = _kind.bucket().find(key=key, connection=settings, timeout_s=context.timeout_s)
        if there is None:
            return DidNotHappen("there is no such object")
        etag, is_ours = there.etag, there.is_of(context.idempotency_key)
    if not is_ours:
        return CannotTell("another call wrote what is there, before or after this one")
    return Happened(_output(key, data, etag=etag))


def _output(key: str, data: bytes, *, etag: str) -> Mapping[str, object]:
    return {"key": key, "size_bytes": len(data), "sha256": contents.digest(data), "etag": etag}
