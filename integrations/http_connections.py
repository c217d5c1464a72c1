"""What connections of the kind `http` look like, and how one is tried; adapters that speak HTTP share it."""

import time
from collections.abc import Mapping

from integrations import client_tls, http, http_message, oauth2
from integrations.contract import ConnectionSettings, Health
from integrations.errors import CallFailed
from integrations.http_exchange import Limits, Outgoing, Response

KIND = "http"
SECRET_NAMES: tuple[str, ...] = (*oauth2.SECRET_NAMES, *client_tls.SECRET_NAMES)
CONNECTION_SCHEMA: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "health": {
            "description": "What a test of the connection asks; without it, the base URL.",
            "type": "object",
            "required": ["path"],
            "additionalProperties": False,
            "properties": {
                "path": {"type": "string", "description": "Added to the base URL."},
                "method": {"enum": ["GET", "HEAD"], "default": "GET"},
            },
        },
        "openapi": {"type": "object", "description": "The OpenAPI document, for rest.call."},
        "openapi_url": {
            "type": "string",
            "pattern": "^https?://",
            "description": "Where the OpenAPI document is, for rest.call; it is kept for an hour.",
        },
        "oauth2": oauth2.SCHEMA,
        "tls": client_tls.SCHEMA,
    },
    "additionalProperties": False,
}
_DENIED = frozenset({401, 403, 407})
_NO_HEAD = frozenset({405, 501})
_FAILING = 500


def probe(*, connection: ConnectionSettings, timeout_s: float) -> Health:
    """This will ask the declared health path, or the base URL, with nothing but GET or HEAD. It raises nothing.

    A declared path must answer with 2xx. Any answer of the base URL is good that neither refuses the credentials nor
    says that the peer is failing: many have nothing there.
    """
    began = time.monotonic()
    health = connection.options.get("health")
    try:
        if isinstance(health, Mapping):
            method = str(health.get("method", "GET"))
            answer = _ask(connection, method=method, path=str(health["path"]), timeout_s=timeout_s)
            is_well = 200 <= answer.status < 300
        else:
            method, answer = _ask_base(connection, timeout_s=timeout_s)
            is_well = answer.status < _FAILING and answer.status not in _DENIED
    except CallFailed as failure:
        return Health(is_well=False, detail=failure.message)
    took_ms = (time.monotonic() - began) * 1000
    return Health(is_well=is_well, detail=f"{method} was answered with {answer.status} in {took_ms:.0f} ms")


def _ask_base(connection: ConnectionSettings, *, timeout_s: float) -> tuple[str, Response]:
    until = time.monotonic() + timeout_s
    answer = _ask(connection, method="HEAD", path="", timeout_s=timeout_s)
    if answer.status not in _NO_HEAD:
        return "HEAD", answer
    return "GET", _ask(connection, method="GET", path="", timeout_s=until - time.monotonic())


def _ask(connection: ConnectionSettings, *, method: str, path: str, timeout_s: float) -> Response:
    inputs = {"method": method, "path": path}
    url = http_message.url(inputs, base_url=connection.base_url) if path else connection.base_url
    headers = http_message.headers(inputs, settings=connection, key="")
    limits = Limits.of(connection, timeout_s=timeout_s)
    return http.send(Outgoing(method=method, url=url, headers=headers, content=None, limits=limits))
