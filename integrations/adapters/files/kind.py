"""What connections of the kind `file` look like."""

from collections.abc import Mapping

from integrations.adapters import secrecy
from integrations.adapters.files import folders
from integrations.contract import ConnectionSettings, Health

kind = "file"
secret_names: tuple[str, ...] = ()

connection_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "The base URL is file:///FOLDER, which all workers of the lane must see.",
    "properties": {
        "writable": {"type": "boolean", "default": False, "description": "Whether file.write may use it."},
    },
    "additionalProperties": False,
}

PATH: Mapping[str, object] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 1_000,
    "pattern": "^[^/\\u0000][^\\u0000]*$",
    "description": "Below the folder of the connection; links are not followed.",
}


def probe(*, connection: ConnectionSettings, timeout_s: float) -> Health:  # noqa: ARG001  a folder answers at once
    """This will look whether the folder is there."""
    return secrecy.health(connection, find_out=lambda: folders.described(connection))
