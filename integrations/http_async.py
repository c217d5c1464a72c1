"""`integrations.http` for an event loop: the same request, guard and verdicts; it never blocks the loop.

Each event loop has pools of its own. How many requests are open at once is bounded by whoever runs the loop.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from weakref import WeakKeyDictionary

import httpcore2
import httpx2

from integrations import guard_async
from integrations.http_exchange import KEEPALIVE_S, Outgoing, Reading, Response, Route, judged

_PLACES = 50
"""How many calls share a pool: a pool goes through all its calls whenever one begins or ends."""


async def send(outgoing: Outgoing) -> Response:
    """This will send one request and return the complete answer, whatever its status. Raises as `judged` does."""
    with judged(outgoing):
        limits = outgoing.limits
        async with _transport(limits.route) as transport:
            response = await transport.handle_async_request(outgoing.request())
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
        self.under_way = 0
        self.used_at = time.monotonic()
        context = route.ssl_context()
        super().__init__(verify=context)
        # httpx2 has no parameter for it; httpcore2 documents `network_backend`.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=_PLACES,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=guard_async.GuardedBackend(route.egress),
        )


_transports: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Route, list[GuardedTransport]]] = WeakKeyDictionary()
"""The pools of each loop, by route."""


@asynccontextmanager
async def _transport(route: Route) -> AsyncIterator[GuardedTransport]:
    """The first pool with room, so that few calls share few connections; one that is not needed any more is closed."""
    pools = _transports.setdefault(asyncio.get_running_loop(), {}).setdefault(route, [])
    found = next((one for one in pools if one.under_way < _PLACES), None)
    if found is None:
        found = GuardedTransport(route)
        pools.append(found)
    found.under_way += 1
    try:
        latest = pools[-1]
        if not latest.under_way and time.monotonic() - latest.used_at > KEEPALIVE_S:
            await pools.pop().aclose()
        yield found
    finally:
        found.under_way -= 1
        found.used_at = time.monotonic()


async def close_connections() -> None:
    """This will close all connections of the running loop; the next call opens its own."""
    pools = _transports.pop(asyncio.get_running_loop(), {})
    for transport in chain.from_iterable(pools.values()):
        await transport.aclose()
