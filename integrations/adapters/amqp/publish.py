"""The adapter `amqp.publish`: one message that a queue has taken, or a failure.

    with: {exchange: orders, routing_key: order.paid, json: {order: "${{ input.id }}"}}

Its `message_id` is the key of the step: consumers know a repetition by it. Its output is `{message_id}`.
"""

from collections.abc import Mapping

from integrations import endpoints
from integrations.adapters.amqp import channels
from integrations.adapters.amqp import kind as _kind
from integrations.adapters.secrecy import masked
from integrations.contract import CallContext, ConnectionSettings

name = "amqp.publish"
kind = _kind.kind
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

_WORD: Mapping[str, object] = {"type": "string", "maxLength": 255}
input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "exchange": {**_WORD, "default": "", "description": "Without it the routing key names a queue."},
        "routing_key": _WORD,
        "json": {"description": "Sent as application/json."},
        "body": {"type": "string", "description": "Sent as it is, in UTF-8."},
        "content_type": {**_WORD, "default": "text/plain", "description": "Of `body`."},
        "headers": {"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean"]}},
        "persistent": {"type": "boolean", "default": True},
        "expiration_s": {"type": "number", "exclusiveMinimum": 0, "description": "Seconds until nobody wants it."},
        "idempotency": {
            "enum": ["message_id", "none"],
            "default": "message_id",
            "description": "message_id: it may be sent again when its outcome is unknown. none: it is not.",
        },
    },
    "required": ["routing_key"],
    "oneOf": [{"required": ["json"]}, {"required": ["body"]}],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will publish the message and wait for the broker's confirmation.

    Raises Refused when no queue takes it or the login is not right, Throttled when the queue is full, Unavailable
    when it was not sent, Unknown when the confirmation did not come.
    """
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        return channels.publish(
            inputs=inputs,
            connection=settings,
            timeout_s=context.timeout_s,
            key=context.idempotency_key,
            repeatable=is_repeatable(inputs=inputs),
        )


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether a message of unknown outcome may be sent again."""
    return inputs.get("idempotency", "message_id") == "message_id"
