"""The parts of an HTTP request, made out of a step's inputs; it never sends anything."""

from collections.abc import Mapping
from typing import cast
from urllib.parse import unquote, urlencode

import httpx2
import orjson

from integrations import http_semantics
from integrations.contract import ConnectionSettings
from integrations.errors import Refused

KEY_HEADER = "idempotency-key"
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})


def method(inputs: Mapping[str, object]) -> str:
    """This will give the request's method."""
    return str(inputs.get("method", "GET"))


def is_recognisable(inputs: Mapping[str, object]) -> bool:
    """This will tell whether the peer can take a repeated request for the same: it is safe or has a key.

    Inputs whose templates are not evaluated yet are judged as if they had none.
    """
    if method(inputs) in http_semantics.SAFE_METHODS or _wants_key(inputs):
        return True
    return any(header.lower() == KEY_HEADER for header in _mapping(inputs.get("headers")))


def headers(inputs: Mapping[str, object], *, settings: ConnectionSettings, key: str) -> Mapping[str, str]:
    """This will join the headers; those of the connection win over those of the step."""
    made = {"accept": "application/json, */*;q=0.5"}
    if "json" in inputs:
        made["content-type"] = "application/json"
    elif "body" in inputs:
        made["content-type"] = "text/plain; charset=utf-8"
    if method(inputs) not in http_semantics.SAFE_METHODS and _wants_key(inputs):
        made[KEY_HEADER] = _quoted(key)
    for header, value in (*_mapping(inputs.get("headers")).items(), *settings.headers.items()):
        if header.lower() in _OURS:
            raise Refused(f"the header {header} cannot be given: it is derived from the request")
        made[header.lower()] = str(value)
    return made


def url(inputs: Mapping[str, object], *, base_url: str) -> str:
    """This will join the connection's base URL with the path, or take the absolute URL, and add the query."""
    given = inputs.get("url")
    if isinstance(given, str):
        target = _within(given, base_url=base_url)
    elif base_url and not base_url.lower().startswith(("http://", "https://")):
        raise Refused(f"the base URL of the connection must be http:// or https://, not {base_url}")
    elif base_url:
        target = f"{base_url.rstrip('/')}/{_plain_path(str(inputs['path'])).lstrip('/')}"
    else:
        raise Refused("a path needs a connection: name one, or give an absolute url instead")
    query = _query(_mapping(inputs.get("query")))
    if not query:
        return target
    return f"{target}{'&' if '?' in target else '?'}{query}"


def content(inputs: Mapping[str, object]) -> bytes | None:
    """This will write the body; None when there is none."""
    if "json" in inputs:
        try:
            return orjson.dumps(inputs["json"])
        except TypeError as error:
            raise Refused(f"the json to be sent cannot be written: {error}") from error
    body = inputs.get("body")
    return None if body is None else str(body).encode()


def _wants_key(inputs: Mapping[str, object]) -> bool:
    return inputs.get("idempotency", "key") == "key"


def _quoted(key: str) -> str:
    try:
        return http_semantics.structured_string(key)
    except ValueError as error:
        raise Refused(f"the idempotency key cannot be sent: {error}") from error


def _within(given: str, *, base_url: str) -> str:
    """This will refuse an absolute URL that would carry the connection's credentials elsewhere."""
    try:
        target, base = httpx2.URL(given), httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise Refused(f"the url is not valid: {error}") from error
    if target.userinfo:
        raise Refused("a url must not hold a user or password: put them into a connection")
    if not base_url:
        return given
    is_same_origin = (target.scheme, target.host, target.port) == (base.scheme, base.host, base.port)
    if not (is_same_origin and f"{_plain_path(target.path)}/".startswith(f"{base.path.rstrip('/')}/")):
        raise Refused(f"the url is not below the connection's {base_url}: use a path, or no connection")
    return given


def _plain_path(path: str) -> str:
    segments = path.partition("?")[0].replace("\\", "/").split("/")
    if any(unquote(segment) in (".", "..") for segment in segments):
        raise Refused(f"the path {path!r} holds a '.' or '..': write the path that is meant")
    return path


def _query(query: Mapping[str, object]) -> str:
    pairs = [
        (key, _query_text(item))
        for key, value in query.items()
        for item in (value if isinstance(value, list | tuple) else (value,))
        if item is not None
    ]
    return urlencode(pairs)


def _query_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value or {})  # the schema allows nothing else
