"""The adapter `soap.call`: one operation of a SOAP service, as its WSDL describes it.

    with: {operation: BookOrder, arguments: {order: "${{ input.id }}", pieces: 3}, idempotency: header}

Its output is `{result}`. The request goes to the base URL of the connection, whatever address the WSDL names.
"""

from collections.abc import Mapping
from types import ModuleType

from integrations import endpoints, extras
from integrations.adapters import secrecy
from integrations.adapters.secrecy import masked, masked_output
from integrations.contract import CallContext, ConnectionSettings, Health

name = "soap.call"
kind = "soap"
speaks_http = True
secret_names = ("password",)

connection_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "The base URL is the address of the service.",
    "properties": {
        "wsdl_url": {"type": "string", "pattern": "^https?://", "description": "Where the WSDL is; kept for an hour."},
        "wsdl": {"type": "string", "minLength": 1, "description": "The WSDL itself, which imports nothing."},
        "service": {"type": "string", "description": "Which service of the WSDL; without it the first."},
        "port": {"type": "string", "description": "Which port of the service; without it the first."},
        "user": {"type": "string", "minLength": 1, "description": "Who logs in with the secret password."},
        "security": {
            "enum": ["basic", "username_token"],
            "default": "basic",
            "description": "How user and password are sent: by HTTP, or as a digest of WS-Security.",
        },
    },
    "oneOf": [{"required": ["wsdl_url"]}, {"required": ["wsdl"]}],
    "additionalProperties": False,
}

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "operation": {"type": "string", "minLength": 1},
        "arguments": {"type": "object", "default": {}},
        "idempotency": {
            "enum": ["header", "operation", "none"],
            "default": "none",
            "description": "header: the HTTP header Idempotency-Key carries the key of the step. operation: it may be "
            "repeated as it is. none: it is not repeated once its outcome is unknown.",
        },
    },
    "required": ["operation"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will call the operation once.

    A fault that the WSDL declares, and one that blames the request, is Refused; any other fault is Unknown. What HTTP
    itself answers is judged as for `http.request`.
    """
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        output = _calling().call(
            inputs=inputs,
            connection=settings,
            timeout_s=context.timeout_s,
            key=context.idempotency_key,
            repeatable=is_repeatable(inputs=inputs),
        )
    return masked_output(output, connection=settings)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether the operation may be called again when its outcome is unknown."""
    return inputs.get("idempotency", "none") != "none"


def probe(*, connection: ConnectionSettings, timeout_s: float) -> Health:
    """This will read the WSDL, and ask the address of the service whether it lets us in."""
    return secrecy.health(connection, find_out=lambda: str(_calling().described(connection, timeout_s=timeout_s)))


def _calling() -> ModuleType:
    return extras.load("integrations.adapters.soap.calling", extra="soap")
