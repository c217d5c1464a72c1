"""What makes two requests the same, as a digest without secrets; pure.

It covers what the step asks for and where that goes: adapter, connection, address, options, inputs. It leaves out
what changes with no change of meaning: secrets, headers of the connection, limits, how it is looked up, and how its
address is written. Another address is another request: who answers there may never have seen the first one.
"""

import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import orjson

from audit.redaction import redacted
from integrations.contract import LOOK_UP, ConnectionSettings

_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def request_digest(*, uses: str, inputs: Mapping[str, object], connection: ConnectionSettings | None) -> str:
    """This will give the SHA-256, in hexadecimal, of the request's canonical JSON with secrets masked."""
    secrets = () if connection is None else connection.secrets
    request = {
        "adapter": uses,
        "connection": None if connection is None else connection.name,
        "address": None if connection is None else _address(connection.base_url),
        "options": {} if connection is None else redacted(connection.options, secrets=secrets),
        "inputs": redacted({name: value for name, value in inputs.items() if name != LOOK_UP}, secrets=secrets),
    }
    return hashlib.sha256(orjson.dumps(request, option=_CANONICAL, default=repr)).hexdigest()


def _address(base_url: str) -> str:
    """Scheme and host in lower case, no port that goes without saying, no slash at the end.

    >>> _address("HTTPS://Api.Example.com:443/v1/")
    'https://api.example.com/v1'
    """
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        return base_url
    user, at, _ = parts.netloc.rpartition("@")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    ending = "" if port is None or port == _PORTS.get(parts.scheme) else f":{port}"
    return urlunsplit((parts.scheme, f"{user}{at}{host}{ending}", parts.path.rstrip("/"), parts.query, parts.fragment))
