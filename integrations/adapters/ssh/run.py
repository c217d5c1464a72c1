"""The adapter `ssh.run`: one command on another host; its words are quoted, so that no value becomes code.

    with: {command: "/usr/local/bin/book", args: ["${{ input.order }}"], idempotency: key}

Its output is `{exit_status, stdout, stderr}`. With `idempotency: key` the command finds the key of the step in its
environment as AUTOMATION_IDEMPOTENCY_KEY.
"""

import asyncio
from collections.abc import Mapping

from integrations import endpoints
from integrations.adapters.secrecy import masked, masked_output
from integrations.adapters.ssh import kind as _kind
from integrations.contract import CallContext, ConnectionSettings

name = "ssh.run"
kind = _kind.kind
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

_EXIT: Mapping[str, object] = {"type": "integer", "minimum": 0, "maximum": 255}
input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "command": {
            "type": "string",
            "minLength": 1,
            "maxLength": 20_000,
            "x-constant": True,
            "description": "For the shell of the user; values go into `args`.",
        },
        "args": {
            "type": "array",
            "items": {"type": ["string", "number", "boolean"]},
            "maxItems": 1_000,
            "description": "Added to the command, each quoted.",
        },
        "stdin": {"type": "string", "description": "What the command reads, in UTF-8."},
        "expect_exit": {
            "type": "array",
            "items": _EXIT,
            "minItems": 1,
            "default": [0],
            "description": "Exit codes that mean success.",
        },
        "retry_exit": {
            "type": "array",
            "items": _EXIT,
            "default": [75],
            "description": "Exit codes that mean: nothing was done, try again later (75 is EX_TEMPFAIL).",
        },
        "idempotency": {
            "enum": ["key", "command", "none"],
            "default": "none",
            "description": "key: the command knows a repetition by AUTOMATION_IDEMPOTENCY_KEY. command: it may be "
            "repeated as it is. none: it is not repeated once its outcome is unknown.",
        },
    },
    "required": ["command"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will run the command to its end.

    Raises Refused for a host, a login or an exit code that is not right, and for too much output; Unavailable when it
    was not begun or says so by its exit code; Unknown when its end was not seen.
    """
    return asyncio.run(acall(inputs=inputs, connection=connection, context=context))


async def acall(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will do what `call` does on an event loop."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        output = await _kind.sessions().run(
            inputs=inputs,
            connection=settings,
            timeout_s=context.timeout_s,
            key=context.idempotency_key,
            repeatable=is_repeatable(inputs=inputs),
        )
    return masked_output(output, connection=settings)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether the command may be run again when its outcome is unknown."""
    return inputs.get("idempotency", "none") != "none"
