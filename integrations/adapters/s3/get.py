"""The adapter `s3.get`: one object of a bucket; it never changes anything.

    with: {key: out/orders.csv}

Its output is `{key, size_bytes, sha256, etag, modified_at, content_type, content}`.
"""

from collections.abc import Mapping

from integrations import contents, endpoints
from integrations.adapters.s3 import kind as _kind
from integrations.adapters.secrecy import masked, masked_output
from integrations.contract import CallContext, ConnectionSettings

name = "s3.get"
kind = _kind.kind
speaks_http = _kind.speaks_http
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"key": _kind.KEY, "encoding": contents.ENCODING},
    "required": ["key"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will read the object. Raises Refused when it may not, or it is too large, Throttled or Unavailable."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        key = str(inputs["key"])
        data, about = _kind.bucket().get(key=key, connection=settings, timeout_s=context.timeout_s)
        content = contents.encoded(data, inputs=inputs, what=key)
    output = {"key": key, "size_bytes": len(data), "sha256": contents.digest(data), **about, "content": content}
    return masked_output(output, connection=settings)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True


def is_safe(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True
