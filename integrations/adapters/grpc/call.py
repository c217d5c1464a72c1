"""The adapter `grpc.call`: one method of a gRPC server, whose types it asks the server for.

    with: {service: shop.v1.Orders, method: Book, request: {order: "${{ input.id }}", pieces: 3}}

Its output is `{response}`, or `{responses}` of a method that answers with a stream, as JSON the way protobuf defines
it: field names as in the .proto file, 64-bit integers as text. The key of the step goes along as metadata
`idempotency-key`.
"""

from collections.abc import Mapping
from types import ModuleType

from integrations import endpoints, extras
from integrations.adapters import secrecy
from integrations.adapters.secrecy import masked, masked_output
from integrations.contract import CallContext, ConnectionSettings, Health
from integrations.errors import Refused

name = "grpc.call"
kind = "grpc"
secret_names = ("token",)

connection_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "The base URL is grpcs://HOST:PORT, or grpc://HOST:PORT without TLS. The secret token is sent as "
    "`authorization: Bearer`.",
    "properties": {
        "descriptors": {
            "type": "string",
            "minLength": 1,
            "description": "A FileDescriptorSet in base64 (protoc --include_imports --descriptor_set_out), for servers "
            "without reflection.",
        },
        "ca_file": {
            "type": "string",
            "description": "PEM file on the workers with the authorities to trust, instead of the system's.",
        },
    },
    "additionalProperties": False,
}

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "service": {"type": "string", "pattern": r"^[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)*$"},
        "method": {"type": "string", "pattern": r"^[A-Za-z_]\w*$"},
        "request": {"type": "object", "default": {}},
        "metadata": {
            "type": "object",
            "propertyNames": {"pattern": "^[a-z0-9_.-]+$", "not": {"pattern": "^grpc-|-bin$"}},
            "additionalProperties": {"type": "string", "pattern": "^[ -~]*$"},
        },
        "max_messages": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100_000,
            "default": 1_000,
            "description": "More messages in a stream than this fail the step.",
        },
        "idempotency": {
            "enum": ["key", "none"],
            "default": "key",
            "description": "key: the call carries the key of the step. none: it does not, and is not repeated once its "
            "outcome is unknown.",
        },
    },
    "required": ["service", "method"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will call the method once, with the deadline of the step.

    Raises what its status means: see `integrations.adapters.grpc.verdicts`.
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


async def acall(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will do what `call` does on an event loop."""
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        output = await _calling().acall(
            inputs=inputs,
            connection=settings,
            timeout_s=context.timeout_s,
            key=context.idempotency_key,
            repeatable=is_repeatable(inputs=inputs),
        )
    return masked_output(output, connection=settings)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether the method may be called again when its outcome is unknown: it carries a key."""
    return inputs.get("idempotency", "key") == "key"


def is_known_safe(*, inputs: Mapping[str, object], connection: ConnectionSettings | None) -> bool:
    """This will tell whether the server's types, where they are at hand, say that a method has no side effects."""
    try:
        return connection is not None and bool(_calling().is_known_safe(inputs=inputs, connection=connection))
    except Refused:  # its library is not installed
        return False


def probe(*, connection: ConnectionSettings, timeout_s: float) -> Health:
    """This will ask the standard health service; a server without one is well when it answers."""
    return secrecy.health(connection, find_out=lambda: str(_calling().health(connection, timeout_s=timeout_s)))


def _calling() -> ModuleType:
    return extras.load("integrations.adapters.grpc.calling", extra="grpc")
