"""The one outbound HTTP client of a process; it never follows a redirect, keeps a cookie or uses a proxy.

It is made at the first call, so after the fork of a worker, and keeps connections alive between calls.
Connections that may reach private addresses have a pool of their own, so that a call that may not can never
ride on one of theirs. The transport is used without `httpx2.Client`, which would share cookies between runs.
"""

import os

import httpcore2
import httpx2

from integrations import guard, http_exchange
from integrations.http_exchange import KEEPALIVE_S, Outgoing, Reading, Response, judged

_MAX_CONNECTIONS = 100


def send(outgoing: Outgoing) -> Response:
    """This will send one request and return the complete answer, whatever its status. Raises as `judged` does."""
    with judged(outgoing):
        limits = outgoing.limits
        response = _transport(allow_private=limits.allow_private).handle_request(outgoing.request())
        try:
            reading = Reading(response, limit=limits.max_response_bytes)
            for chunk in response.iter_raw():
                reading.take(chunk)
        finally:
            response.close()
        return reading.end()


class GuardedTransport(httpx2.HTTPTransport):
    """The transport of httpx2 on a pool whose every socket passes the guard."""

    def __init__(self, *, allow_private: bool) -> None:
        context = http_exchange.ssl_context()
        super().__init__(verify=context)
        # httpx2 has no parameter for it; httpcore2 documents `network_backend`.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context,
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=guard.GuardedBackend(allow_private=allow_private),
        )


_transports: dict[bool, GuardedTransport] = {}
"""The pools of this process, by whether they may reach private addresses."""


def _transport(*, allow_private: bool) -> GuardedTransport:
    transport = _transports.get(allow_private)
    if transport is None:
        transport = _transports.setdefault(allow_private, GuardedTransport(allow_private=allow_private))
    return transport


def close_connections() -> None:
    """This will close all idle and open connections; the next call opens its own."""
    for allow_private in tuple(_transports):
        _transports.pop(allow_private).close()


# A child must not speak on its parent's sockets, nor close what the parent still uses.
os.register_at_fork(after_in_child=_transports.clear)
