"""`integrations.http` for an event loop: the same request, guard and verdicts; it never blocks the loop.

Each event loop has pools of its own. How many requests are open at once is bounded by whoever runs the loop.
"""

import asyncio
from weakref import WeakKeyDictionary

import httpcore2
import httpx2

from integrations import guard_async
from integrations.http_exchange import KEEPALIVE_S, Outgoing, Reading, Response, Route, judged

_MAX_IDLE = 100


async def send(outgoing: Outgoing) -> Response:
    """This will send one request and return the complete answer, whatever its status. Raises as `judged` does."""
    with judged(outgoing):
        limits = outgoing.limits
        response = await _transport(limits.route).handle_async_request(outgoing.request())
        try:
            reading = Reading(response, limit=limits.max_response_bytes)
            async for chunk in response.aiter_raw():
                reading.take(chunk)
        finally:
            await response.aclose()
        return reading.end()


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """The transport of httpx2 on a pool whose every socket passes the guard."""

    def __init__(self, route: Route) -> None:
        context = route.ssl_context()
        super().__init__(verify=context)
        # httpx2 has no parameter for it; httpcore2 documents `network_backend`.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=_MAX_IDLE,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=guard_async.GuardedBackend(route.egress),
        )


_transports: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Route, GuardedTransport]] = WeakKeyDictionary()
"""The pools of each loop, by route."""


def _transport(route: Route) -> GuardedTransport:
    pools = _transports.setdefault(asyncio.get_running_loop(), {})
    transport = pools.get(route)
    if transport is None:
        transport = pools[route] = GuardedTransport(route)
    return transport


async def close_connections() -> None:
    """This will close all connections of the running loop; the next call opens its own."""
    pools = _transports.pop(asyncio.get_running_loop(), {})
    for transport in pools.values():
        await transport.aclose()
