"""The one outbound HTTP client of a process; it never follows a redirect, keeps a cookie or uses a proxy.

It is made at the first call, so after the fork of a worker, and keeps connections alive between calls.
Connections that may lead to the same places share a pool, others never, so that no call rides on what it may not
reach. The transport is used without `httpx2.Client`, which would share cookies between runs.
"""

import os

import httpcore2
import httpx2

from integrations import guard
from integrations.http_exchange import KEEPALIVE_S, Outgoing, Reading, Response, Route, judged

_MAX_CONNECTIONS = 100
_MAX_POOLS = 200


def send(outgoing: Outgoing) -> Response:
    """This will send one request and return the complete answer, whatever its status. Raises as `judged` does."""
    with judged(outgoing):
        limits = outgoing.limits
        response = _transport(limits.route).handle_request(outgoing.request())
        try:
            reading = Reading(response, limit=limits.max_response_bytes)
            for chunk in response.iter_raw():
                reading.take(chunk)
        finally:
            response.close()
        return reading.end()


class GuardedTransport(httpx2.HTTPTransport):
    """The transport of httpx2 on a pool whose every socket passes the guard."""

    def __init__(self, route: Route) -> None:
        context = route.ssl_context()
        super().__init__(verify=context)
        # httpx2 has no parameter for it; httpcore2 documents `network_backend`.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context,
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=guard.GuardedBackend(route.egress),
        )


_transports: dict[Route, GuardedTransport] = {}
"""The pools of this process, by route."""


def _transport(route: Route) -> GuardedTransport:
    transport = _transports.get(route)
    if transport is None:
        if len(_transports) >= _MAX_POOLS:  # certificates are rotated, hosts are added: what is old is idle by now
            _transports.pop(next(iter(_transports)))
        transport = _transports.setdefault(route, GuardedTransport(route))
    return transport


def close_connections() -> None:
    """This will close all idle and open connections; the next call opens its own."""
    for route in tuple(_transports):
        _transports.pop(route).close()


# A child must not speak on its parent's sockets, nor close what the parent still uses.
os.register_at_fork(after_in_child=_transports.clear)
