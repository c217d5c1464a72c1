"""What connections of the kind `ssh` look like; it never loads the library."""

import asyncio
from collections.abc import Mapping
from types import ModuleType

from integrations import extras
from integrations.adapters import secrecy
from integrations.contract import ConnectionSettings, Health

kind = "ssh"
secret_names = ("password", "private_key", "passphrase")

SCHEMES: Mapping[str, int] = {"ssh": 22}

connection_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "The base URL is ssh://HOST:PORT. The secret private_key is PEM, or base64 of it in one line.",
    "properties": {
        "user": {"type": "string", "minLength": 1},
        "host_keys": {
            "type": "array",
            "items": {"type": "string", "pattern": "^(ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/=]+"},
            "minItems": 1,
            "description": "Public keys the host may have, as `ssh-keyscan HOST` prints them without the name. "
            "A host with any other key is refused.",
        },
    },
    "required": ["user", "host_keys"],
    "additionalProperties": False,
}


def probe(*, connection: ConnectionSettings, timeout_s: float) -> Health:
    """This will log in and run nothing."""
    return secrecy.health(connection, find_out=lambda: _version(connection, timeout_s=timeout_s))


def sessions() -> ModuleType:
    """This will load what needs asyncssh. Raises Refused where it is not installed."""
    return extras.load("integrations.adapters.ssh.sessions", extra="ssh")


def _version(connection: ConnectionSettings, *, timeout_s: float) -> str:
    return str(asyncio.run(sessions().version(connection=connection, timeout_s=timeout_s)))
