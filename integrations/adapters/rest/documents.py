"""The OpenAPI document of a connection: given with it, or fetched and kept for an hour."""

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import yaml

from integrations import endpoints, http, http_semantics
from integrations.adapters.rest.errors import DoesNotFit
from integrations.adapters.rest.openapi import Document
from integrations.contract import ConnectionSettings
from integrations.errors import Refused, Unavailable, Unknown
from integrations.http_exchange import Limits, Outgoing

_SCHEMES: Mapping[str, int] = {"http": 80, "https": 443}
_KEPT_S = 3_600.0
_LARGEST_BYTES = 10_000_000

_kept: dict[str, tuple[float, ConnectionSettings, Document]] = {}
_reading = threading.Lock()


def document(connection: ConnectionSettings, *, timeout_s: float) -> Document:
    """This will give the document of a connection.

    Raises Refused when it has none or it cannot be used, Unavailable when it does not come.
    """
    endpoints.endpoint(connection, schemes=_SCHEMES)
    with _reading:
        until, settings, found = _kept.get(connection.name, (0.0, None, None))
        if found is None or settings != connection or time.monotonic() >= until:
            found = _read(connection, timeout_s=timeout_s)
            _kept[connection.name] = (time.monotonic() + _KEPT_S, connection, found)
        return found


def find_document(connection: ConnectionSettings) -> Document | None:
    """This will give the document of a connection that is at hand; None where it would have to be fetched first."""
    until, settings, found = _kept.get(connection.name, (0.0, None, None))
    if found is not None and settings == connection and time.monotonic() < until:
        return found
    try:
        return Document(given) if isinstance(given := connection.options.get("openapi"), Mapping) else None
    except DoesNotFit:
        return None


def _read(connection: ConnectionSettings, *, timeout_s: float) -> Document:
    given = connection.options.get("openapi")
    try:
        if isinstance(given, Mapping):
            return Document(given)
        url = connection.options.get("openapi_url")
        if not isinstance(url, str):
            raise Refused(f"rest.call needs the option openapi or openapi_url of connection {connection.name}")
        return Document(_parsed(_fetched(url, connection=connection, timeout_s=timeout_s)))
    except DoesNotFit as error:
        raise Refused(f"the OpenAPI document of connection {connection.name}: {error}") from error


def _fetched(url: str, *, connection: ConnectionSettings, timeout_s: float) -> bytes:
    """What logs in goes to the API's own origin only."""
    one, other = httpx2.URL(url), httpx2.URL(connection.base_url)
    is_ours = (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)
    limits = replace(Limits.of(connection, timeout_s=timeout_s), max_response_bytes=_LARGEST_BYTES)
    headers = {name.lower(): value for name, value in connection.headers.items()} if is_ours else {}
    try:
        answer = http.send(Outgoing(method="GET", url=url, headers=headers, content=None, limits=limits))
    except Unknown as error:
        raise Unavailable(f"the OpenAPI document did not come: {error.message}", evidence=error.evidence) from error
    if answer.status != 200:
        about = http_semantics.Answer("GET", answer.status, answer.headers, "", sent_key=False)
        raise http_semantics.failure_for(about, now=datetime.now(UTC))
    return answer.body


def _parsed(data: bytes) -> Mapping[str, object]:
    """JSON is YAML too."""
    try:
        found = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  both are safe
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise DoesNotFit(f"it is neither JSON nor YAML: {str(error)[:200]}") from error
    if not isinstance(found, Mapping):
        raise DoesNotFit("it is no object")
    return found
