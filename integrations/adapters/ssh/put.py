"""The adapter `sftp.put`: one file onto another host, as a whole or not at all.

    with: {path: /var/spool/in/orders.csv, content: "${{ steps.export.output.csv }}"}

It is written beside its place under a name made of the step's key, and renamed when it is complete, so a repetition
leaves the same file. Its output is `{path, size_bytes, sha256}`.
"""

import asyncio
from collections.abc import Mapping

from integrations import contents, endpoints
from integrations.adapters.secrecy import masked, masked_output
from integrations.adapters.ssh import kind as _kind
from integrations.contract import CallContext, ConnectionSettings, LookUp

name = "sftp.put"
kind = _kind.kind
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "path": {"type": "string", "minLength": 1, "pattern": "[^/]$"},
        "content": {"type": "string"},
        "encoding": contents.ENCODING,
        "if_exists": contents.IF_EXISTS,
    },
    "required": ["path", "content"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will write the file.

    Raises Refused when it may not, Unavailable when it was not renamed, Unknown when that is not known.
    """
    return asyncio.run(acall(inputs=inputs, connection=connection, context=context))


async def acall(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will do what `call` does on an event loop."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        output = await _kind.sessions().put(
            inputs=inputs, connection=settings, timeout_s=context.timeout_s, key=context.idempotency_key
        )
    return masked_output(output, connection=settings)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: the same content ends in the same place."""
    return True


def can_look_up(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: the file is there with its content, or it is not."""
    return True


def look_up(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> LookUp:
    """This will find out whether the file is there with this content. Raises Refused, Throttled and Unavailable."""
    return asyncio.run(alook_up(inputs=inputs, connection=connection, context=context))


async def alook_up(
    *, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext
) -> LookUp:
    """This will do what `look_up` does on an event loop."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        found: LookUp = await _kind.sessions().find(inputs=inputs, connection=settings, timeout_s=context.timeout_s)
    return found
