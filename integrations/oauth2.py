"""Access tokens of connections whose options have `oauth2` (RFC 6749): fetched, kept until before they end, renewed.

    oauth2: {token_url: https://auth.example.com/token, client_id: engine, scope: "orders:write"}

The secrets are `client_secret`, and `refresh_token` where that is the grant. A token is kept in memory only;
one caller fetches it, whoever waits. One that the peer denies is fetched anew, and the call made once more.
"""

import base64
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast
from urllib.parse import quote, urlencode

import orjson
import structlog

from integrations import http
from integrations.contract import ConnectionSettings
from integrations.errors import CallFailed, Denied, Refused, Unavailable
from integrations.http_exchange import Limits, Outgoing, Response
from integrations.secret_stores.cache import Bounds, Cache
from integrations.secret_stores.contract import Away, Fetched, Missing

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
SCHEMA: Mapping[str, object] = {
    "description": "Access tokens by OAuth 2.0: fetched with the secrets client_secret or refresh_token.",
    "type": "object",
    "required": ["token_url", "client_id"],
    "additionalProperties": False,
    "properties": {
        "token_url": {"type": "string", "pattern": "^https?://[^\\s@?#]+$"},
        "client_id": {"type": "string", "minLength": 1},
        "grant": {"enum": ["client_credentials", "refresh_token"], "default": "client_credentials"},
        "scope": {"type": "string"},
        "parameters": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Sent besides, such as an audience. No secrets.",
        },
        "client_auth": {
            "enum": ["basic", "body"],
            "default": "basic",
            "description": "Whether client_id and client_secret go into a header or into the body.",
        },
    },
}
SECRET_NAMES = ("client_secret", "refresh_token")
_TIMEOUT_S = 15.0
_UNAUTHORIZED, _TOO_MANY = 401, 429
_MOMENT_S = 0.05
_UNSAID_S = 300.0
"""How long a token is used whose answer does not say how long it may be."""
_BOUNDS = Bounds(fresh_s=_UNSAID_S, stale_s=0.0, again_s=1.0)

_tokens = Cache(clock=time.monotonic)
_rotated: dict[str, str] = {}
"""Refresh tokens this process was given in exchange for others, by the digest of the connection's own."""


class _NotTaken(Missing):
    """The token endpoint does not take the secrets: others may be in their stores by now."""


def is_wanted(connection: ConnectionSettings) -> bool:
    """This will tell whether a connection gets its tokens so."""
    return isinstance(connection.options.get("oauth2"), Mapping)


def authorized(connection: ConnectionSettings, *, keep: Callable[[str], bool]) -> ConnectionSettings:
    """This will give the connection with an access token.

    `keep` stores a refresh token that the endpoint gave in exchange for ours, and tells whether it could. Raises Denied
    when the endpoint does not take the secrets, Refused or Unavailable when there is no token.
    """
    try:
        fetched = _tokens.get(_key(connection), fetch=lambda: _fetch(connection, keep=keep), bounds=_BOUNDS)
    except _NotTaken as error:
        raise Denied(f"connection {connection.name} got no access token: {error}") from error
    except Missing as error:
        raise Refused(f"connection {connection.name} got no access token: {error}") from error
    except Away as error:
        raise Unavailable(f"connection {connection.name} got no access token: {error}") from error
    token = fetched.fields["access_token"]
    return replace(
        connection,
        headers={**connection.headers, "Authorization": f"Bearer {token}"},
        secrets=(*connection.secrets, token),
    )


def is_at_hand(name: str) -> bool:
    """This will tell whether there is a token for a connection that is good for a moment at least."""
    key = _latest.get(name)
    return key is not None and _tokens.is_fresh(key, for_s=_MOMENT_S)


def hint(name: str) -> None:
    """This will have the token of a connection fetched anew, for the peer did not take it."""
    key = _latest.get(name)
    if key is not None:
        _tokens.hint(key, bounds=_BOUNDS)


def forget() -> None:
    """This will forget all tokens of this process."""
    _tokens.forget()
    _latest.clear()
    _rotated.clear()


_latest: dict[str, str] = {}
"""The key of the latest token of each connection."""


def _key(connection: ConnectionSettings) -> str:
    """A token belongs to what it was asked for with. A refresh token is exchanged for others, and is still the same."""
    asked = [connection.name, connection.options.get("oauth2"), connection.secret_values.get("client_secret")]
    digest = hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
    _latest[connection.name] = digest
    return digest


def _fetch(connection: ConnectionSettings, *, keep: Callable[[str], bool]) -> Fetched:
    """One request to the token endpoint, through the guard of the connection. Raises Missing or Away."""
    options = cast("Mapping[str, object]", connection.options["oauth2"])
    outgoing = _request(connection, options=options)
    try:
        answer = http.send(outgoing)
    except Refused as refusal:
        raise Missing(refusal.message) from refusal
    except CallFailed as failure:  # a token may be asked for twice: nothing else happens
        raise Away(failure.message) from failure
    document = _read(answer)
    _keep_rotated(document.get("refresh_token"), connection=connection, keep=keep)
    lease_s = document.get("expires_in")
    is_said = isinstance(lease_s, int | float) and lease_s > 0
    fields = {"access_token": str(document["access_token"])}
    return Fetched(fields=fields, lease_s=cast("float", lease_s) if is_said else None)


def _request(connection: ConnectionSettings, *, options: Mapping[str, object]) -> Outgoing:
    secrets = connection.secret_values
    grant = str(options.get("grant", "client_credentials"))
    form = {"grant_type": grant, **cast("Mapping[str, str]", options.get("parameters", {}))}
    if "scope" in options:
        form["scope"] = str(options["scope"])
    if grant == "refresh_token":
        if "refresh_token" not in secrets:
            raise Missing("the grant refresh_token needs the secret refresh_token")
        given = secrets["refresh_token"]
        form["refresh_token"] = _rotated.get(_digest(given), given)
    elif "client_secret" not in secrets:
        raise Missing("the grant client_credentials needs the secret client_secret")
    client_id, secret = str(options["client_id"]), secrets.get("client_secret", "")
    headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
    if secret and options.get("client_auth", "basic") == "basic":
        pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749, 2.3.1: encoded before it is joined
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form["client_id"] = client_id
        form |= {"client_secret": secret} if secret else {}
    limits = Limits.of(connection, timeout_s=_TIMEOUT_S)
    content = urlencode(form).encode()
    return Outgoing(method="POST", url=str(options["token_url"]), headers=headers, content=content, limits=limits)


def _read(answer: Response) -> Mapping[str, object]:
    """RFC 6749, 5.1 and 5.2. Of what the endpoint says only the code of an error is told: the rest may be a secret."""
    document = _document(answer)
    if answer.status >= 500 or answer.status == _TOO_MANY:
        raise Away(f"its token endpoint answered with {answer.status}")
    token = document.get("access_token")
    if answer.status != 200 or not isinstance(token, str) or not token:
        raise _refusal(answer.status, said=str(document.get("error", ""))[:60])
    if not (token.isascii() and token.isprintable()):
        raise Missing("its token endpoint gave a token that no header can hold")
    return document


def _refusal(status: int, *, said: str) -> Missing:
    reason = f": {said}" if said.replace("_", "").isalnum() else ""
    is_denied = status == _UNAUTHORIZED or said in ("invalid_client", "invalid_grant")
    return (_NotTaken if is_denied else Missing)(f"its token endpoint answered with {status}{reason}")


def _keep_rotated(new: object, *, connection: ConnectionSettings, keep: Callable[[str], bool]) -> None:
    """The endpoint may take the old one no longer (RFC 6749, 6): the new one must outlive this process."""
    given = connection.secret_values.get("refresh_token")
    if given is None or not isinstance(new, str) or not new or new == _rotated.get(_digest(given), given):
        return
    _rotated[_digest(given)] = new
    if not keep(new):
        _log.warning("oauth2_refresh_token_kept_in_memory_only", connection=connection.name)


def _document(answer: Response) -> Mapping[str, object]:
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# A thread of the parent may have held one of the locks.
os.register_at_fork(after_in_child=forget)
