"""The adapter `sftp.get`: one file of another host; it never changes anything.

    with: {path: /var/spool/out/orders.csv}

Its output is `{path, size_bytes, sha256, content}`.
"""

import asyncio
from collections.abc import Mapping

from integrations import contents, endpoints
from integrations.adapters.secrecy import masked, masked_output
from integrations.adapters.ssh import kind as _kind
from integrations.contract import CallContext, ConnectionSettings

name = "sftp.get"
kind = _kind.kind
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"path": {"type": "string", "minLength": 1}, "encoding": contents.ENCODING},
    "required": ["path"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will read the file. Raises Refused when it may not, Unavailable when the host or the time is gone."""
    return asyncio.run(acall(inputs=inputs, connection=connection, context=context))


async def acall(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will do what `call` does on an event loop."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        output = await _kind.sessions().get(inputs=inputs, connection=settings, timeout_s=context.timeout_s)
    return masked_output(output, connection=settings)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True


def is_safe(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True
