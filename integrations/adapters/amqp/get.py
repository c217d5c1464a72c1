"""The adapter `amqp.get`: messages that are in a queue now; it never waits for one.

    with: {queue: orders, max_messages: 50}

They leave the queue at the end of the call, before the step is stored: a worker that dies in between has lost them.
With `acknowledge: false` they stay there. Its output is `{messages: [{body, message_id, headers, ...}], count}`.
"""

from collections.abc import Mapping

from integrations import endpoints
from integrations.adapters.amqp import channels
from integrations.adapters.amqp import kind as _kind
from integrations.adapters.secrecy import masked, masked_output
from integrations.contract import CallContext, ConnectionSettings

name = "amqp.get"
kind = _kind.kind
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "queue": {"type": "string", "minLength": 1, "maxLength": 255},
        "max_messages": {"type": "integer", "minimum": 1, "maximum": 1_000, "default": 1},
        "acknowledge": {"type": "boolean", "default": True, "description": "Whether they leave the queue."},
    },
    "required": ["queue"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will take the messages that are there, fewer when they do not all fit into an answer.

    Raises Refused for a queue or a login that is not right, Unavailable when nothing was taken, Unknown when messages
    may have left the queue.
    """
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        output = channels.get(
            inputs=inputs,
            connection=settings,
            timeout_s=context.timeout_s,
            repeatable=is_repeatable(inputs=inputs),
        )
    return masked_output(output, connection=settings)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether nothing leaves the queue: what has left it does not come again."""
    return inputs.get("acknowledge") is False


def is_safe(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether nothing leaves the queue."""
    return is_repeatable(inputs=inputs)
