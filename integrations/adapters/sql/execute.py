"""The adapter `sql.execute`: one statement that changes something, in a transaction of its own.

    with:
      sql: "UPDATE stock SET pieces = pieces - :pieces WHERE article = :article"
      params: {article: "${{ input.article }}", pieces: 3}
      expect_rows: 1
      idempotency: key

Its output is `{row_count, rows, is_repetition}`; `rows` are those of RETURNING. With `idempotency: key` the key of the
step is written into the connection's `keys_table` in the same transaction, so that a repetition changes nothing and
returns what the earlier one returned.
"""

from collections.abc import Mapping

from integrations import endpoints
from integrations.adapters.secrecy import masked, masked_output
from integrations.adapters.sql import kind as _kind
from integrations.contract import CallContext, ConnectionSettings

name = "sql.execute"
kind = _kind.kind
connection_schema = _kind.connection_schema
secret_names = _kind.secret_names
probe = _kind.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "sql": _kind.STATEMENT,
        "params": _kind.PARAMS,
        "max_rows": _kind.MAX_ROWS,
        "expect_rows": {
            "type": "integer",
            "minimum": 0,
            "description": "The rows that must be changed: with any other number nothing is.",
        },
        "idempotency": {
            "enum": ["key", "statement", "none"],
            "default": "none",
            "description": "key: the key of the step is kept in the connection's keys_table, a repetition changes "
            "nothing. statement: the statement may be repeated as it is. none: it is not repeated once its outcome "
            "is unknown.",
        },
    },
    "required": ["sql"],
    "additionalProperties": False,
}


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will execute one statement and commit it.

    Raises Refused for a statement, values or rights that are wrong, Throttled when the server has too many
    connections, Unavailable when nothing was changed, Unknown when the connection broke before the commit was
    confirmed.
    """
    settings = endpoints.required(connection, uses=name)
    with masked(settings):
        output = _kind.running().execute(
            inputs=inputs,
            connection=settings,
            timeout_s=context.timeout_s,
            key=context.idempotency_key,
            repeatable=is_repeatable(inputs=inputs),
        )
    return masked_output(output, connection=settings)


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether the statement may be executed again when its outcome is unknown."""
    return inputs.get("idempotency", "none") != "none"
