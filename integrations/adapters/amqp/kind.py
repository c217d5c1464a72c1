"""What connections of the kind `amqp` look like."""

from collections.abc import Mapping

from integrations.adapters import secrecy
from integrations.adapters.amqp import channels
from integrations.contract import ConnectionSettings, Health

kind = "amqp"
secret_names = ("password",)

connection_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "The base URL is amqps://HOST:PORT, or amqp://HOST:PORT without TLS.",
    "properties": {
        "user": {"type": "string", "minLength": 1},
        "virtual_host": {"type": "string", "minLength": 1, "default": "/"},
        "ca_file": {
            "type": "string",
            "description": "PEM file on the workers with the authorities to trust, instead of the system's.",
        },
    },
    "required": ["user"],
    "additionalProperties": False,
}


def probe(*, connection: ConnectionSettings, timeout_s: float) -> Health:
    """This will log in and open a channel."""
    return secrecy.health(connection, find_out=lambda: channels.described(connection, timeout_s=timeout_s))
