"""What connections of the kind `s3` look like; it never loads the library."""

from collections.abc import Mapping
from types import ModuleType

from integrations import extras
from integrations.adapters import secrecy
from integrations.contract import ConnectionSettings, Health

kind = "s3"
speaks_http = True
secret_names = ("secret_access_key", "session_token")

connection_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "The base URL is that of the service, such as https://s3.eu-central-1.amazonaws.com",
    "properties": {
        "bucket": {"type": "string", "pattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"},
        "region": {"type": "string", "minLength": 1, "default": "us-east-1"},
        "access_key_id": {
            "type": "string",
            "minLength": 1,
            "description": "With the secret secret_access_key; without both, requests are not signed.",
        },
        "path_style": {
            "type": "boolean",
            "default": False,
            "description": "The bucket stands in the path, not in the host's name, as other services want it.",
        },
    },
    "required": ["bucket"],
    "additionalProperties": False,
}

KEY: Mapping[str, object] = {"type": "string", "minLength": 1, "maxLength": 1_024}


def probe(*, connection: ConnectionSettings, timeout_s: float) -> Health:
    """This will ask for one name in the bucket."""
    return secrecy.health(connection, find_out=lambda: str(bucket().described(connection, timeout_s=timeout_s)))


def bucket() -> ModuleType:
    """This will load what needs boto3. Raises Refused where it is not installed."""
    return extras.load("integrations.adapters.s3.bucket", extra="s3")
