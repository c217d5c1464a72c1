"""What connections of the kind `sql` look like, and what both its adapters take; it never loads a driver."""

from collections.abc import Mapping
from types import ModuleType

from integrations import extras
from integrations.adapters import secrecy
from integrations.contract import ConnectionSettings, Health

kind = "sql"
secret_names = ("password",)

SCHEMES: Mapping[str, int] = {"postgresql": 5432, "mariadb": 3306}
_TABLE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$"

connection_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "The base URL is postgresql://HOST:PORT or mariadb://HOST:PORT.",
    "properties": {
        "database": {"type": "string", "minLength": 1},
        "user": {"type": "string", "minLength": 1},
        "tls": {
            "enum": ["verify", "off"],
            "default": "verify",
            "description": "verify: encrypted, and the certificate is that of the host. off: not encrypted.",
        },
        "ca_file": {
            "type": "string",
            "description": "PEM file on the workers with the authorities to trust, instead of the system's.",
        },
        "keys_table": {
            "type": "string",
            "pattern": _TABLE,
            "description": "The table in which `idempotency: key` remembers what was done.",
        },
        "pool_size": {"type": "integer", "minimum": 1, "maximum": 50, "default": 5},
    },
    "required": ["database", "user"],
    "additionalProperties": False,
}

STATEMENT: Mapping[str, object] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 20_000,
    "x-constant": True,
    "description": "One statement; values are :names out of `params`, never parts of the text.",
}
PARAMS: Mapping[str, object] = {
    "type": "object",
    "description": "The values of the :names; a list is for `IN :name`.",
    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
    "additionalProperties": {
        "anyOf": [
            {"type": ["string", "number", "boolean", "null"]},
            {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}, "maxItems": 10_000},
        ]
    },
}
MAX_ROWS: Mapping[str, object] = {
    "type": "integer",
    "minimum": 1,
    "maximum": 100_000,
    "default": 1_000,
    "description": "More rows than this fail the step.",
}


def probe(*, connection: ConnectionSettings, timeout_s: float) -> Health:
    """This will connect, and ask the server which it is, in a transaction that can change nothing."""
    return secrecy.health(connection, find_out=lambda: _version(connection, timeout_s=timeout_s))


def running() -> ModuleType:
    """This will load what needs SQLAlchemy. Raises Refused where it is not installed."""
    return extras.load("integrations.adapters.sql.running", extra="sql")


def _version(connection: ConnectionSettings, *, timeout_s: float) -> str:
    return str(running().version(connection=connection, timeout_s=timeout_s))
