"""The adapter `sql.query`: one SELECT in a read-only transaction; it never changes anything.

    with: {sql: "SELECT id, total FROM orders WHERE customer = :customer", params: {customer: "${{ input.id }}"}}

Its output is `{columns, rows, row_count}`: each row an object; decimals are text, instants ISO 8601, bytes base64.
"""

from collections.abc import Mapping

from integrations import endpoints
from integrations.adapters.secrecy import masked, masked_output
from integrations.adapters.sql import kind as _kind
from integrations.contract import CallContext, ConnectionSettings

name = "sql.query"
kind = _kind.kind
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"sql": _kind.STATEMENT, "params": _kind.PARAMS, "max_rows": _kind.MAX_ROWS},
    "required": ["sql"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will read rows as a stream, and return them when there are not too many.

    Raises Refused for a statement or rights that are wrong and for too many rows or bytes, Throttled when the
    server has too many connections, Unavailable for all else.
    """
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        output = _kind.running().query(inputs=inputs, connection=settings, timeout_s=context.timeout_s)
    return masked_output(output, connection=settings)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True


def is_safe(*, inputs: Mapping[str, object]) -> bool:  # noqa: ARG001  as the contract says
    """This will be true: reading changes nothing."""
    return True
