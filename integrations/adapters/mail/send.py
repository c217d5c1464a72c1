"""The adapter `mail.send`: one mail to all its recipients or to none.

    with: {to: ["finance@example.com"], subject: "Order ${{ input.id }}", text: "It is paid."}

Its Message-ID is made of the key of the step. Its output is `{message_id, recipients}`.
"""

from collections.abc import Mapping

from integrations import contents, endpoints
from integrations.adapters import secrecy
from integrations.adapters.mail import delivery
from integrations.adapters.secrecy import masked
from integrations.contract import CallContext, ConnectionSettings, Health

name = "mail.send"
kind = "mail"
secret_names = ("password",)

connection_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "The base URL is smtp://HOST:PORT (STARTTLS) or smtps://HOST:PORT.",
    "properties": {
        "sender": {
            "type": "string",
            "pattern": "@",
            "description": "Whom the mails are from: an address, or a name with it.",
        },
        "user": {"type": "string", "minLength": 1, "description": "Who logs in with the secret password."},
        "tls": {
            "enum": ["verify", "off"],
            "default": "verify",
            "description": "verify: encrypted, and the certificate is that of the host. off: smtp:// is not encrypted.",
        },
    },
    "required": ["sender"],
    "additionalProperties": False,
}

_ADDRESSES: Mapping[str, object] = {
    "type": "array",
    "items": {"type": "string", "pattern": "^[^\\r\\n]*@[^\\r\\n]*$"},
    "maxItems": 100,
}
_LINE: Mapping[str, object] = {"type": "string", "pattern": "^[^\\r\\n]*$", "maxLength": 500}
input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "to": {**_ADDRESSES, "minItems": 1},
        "cc": _ADDRESSES,
        "bcc": _ADDRESSES,
        "reply_to": _ADDRESSES,
        "subject": _LINE,
        "text": {"type": "string"},
        "html": {"type": "string", "description": "Shown instead of the text where a mail program can."},
        "attachments": {
            "type": "array",
            "maxItems": 20,
            "items": {
                "type": "object",
                "properties": {
                    "name": {**_LINE, "minLength": 1},
                    "content": {"type": "string"},
                    "encoding": contents.ENCODING,
                    "type": {
                        "type": "string",
                        "pattern": "^[\\w.+-]+/[\\w.+-]+$",
                        "default": "application/octet-stream",
                    },
                },
                "required": ["name", "content"],
                "additionalProperties": False,
            },
        },
        "idempotency": {
            "enum": ["message_id", "none"],
            "default": "none",
            "description": "message_id: it may be sent again when its outcome is unknown, with the same Message-ID, by "
            "which many mailboxes know a repetition. none: it is not.",
        },
    },
    "required": ["to", "subject", "text"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will hand the mail to the server of the connection.

    Raises Refused when the server says never (nobody gets the mail then), Throttled and Unavailable when it says not
    now, Unknown when the connection broke after the mail was given.
    """
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        return delivery.send(
            inputs=inputs,
            connection=settings,
            timeout_s=context.timeout_s,
            key=context.idempotency_key,
            repeatable=is_repeatable(inputs=inputs),
        )


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether a mail of unknown outcome may be sent again."""
    return inputs.get("idempotency", "none") == "message_id"


def probe(*, connection: ConnectionSettings, timeout_s: float) -> Health:
    """This will log in and send nothing."""
    return secrecy.health(connection, find_out=lambda: delivery.greeting(connection, timeout_s=timeout_s))
