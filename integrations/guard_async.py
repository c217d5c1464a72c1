"""The gate of `integrations.guard` for an event loop: the same checks and deadlines; it never blocks the loop."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpcore2

from integrations import guard
from integrations.addresses import Address
from integrations.egress import Egress
from integrations.errors import Unavailable
from integrations.guard import Answer, remaining

_PARTS = 20


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens sockets for `httpcore2`, to allowed addresses only."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._sockets = httpcore2.AnyIOBackend()
        self._resolver = Resolver()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """This will connect to the first address of a host that answers.

        Raises Refused when any address of the host is not allowed, ConnectError or ConnectTimeout when none
        can be found or answers in time. Only time that the loop has for it counts (`attended`).
        """
        until = time.monotonic() + remaining(None, failure=httpcore2.ConnectTimeout)
        try:
            async with attended(timeout):
                return await self._connect(host, port, until, local_address, socket_options)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(f"{host} did not answer in time") from error

    async def _connect(
        self,
        host: str,
        port: int,
        until: float,
        local_address: str | None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await self._resolver.allowed(
            host=host, port=port, egress=self._egress, timeout_s=until - time.monotonic()
        )
        failure: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses:
            left = until - time.monotonic()
            if left <= 0:
                raise httpcore2.ConnectTimeout(f"{host} did not answer in time") from failure
            try:
                stream = await self._sockets.connect_tcp(str(address), port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return DeadlineStream(stream)
        raise failure


class DeadlineStream(httpcore2.AsyncNetworkStream):
    """A connected socket whose operations end at the deadline of the current call."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """This will read what is there, waiting no longer than the call may."""
        return await self._stream.read(max_bytes, remaining(timeout, failure=httpcore2.ReadTimeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """This will write all of a buffer, waiting no longer than the call may."""
        await self._stream.write(buffer, remaining(timeout, failure=httpcore2.WriteTimeout))

    async def aclose(self) -> None:
        """This will close the socket."""
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """This will begin TLS under the name of the URL, not the address."""
        left = remaining(None, failure=httpcore2.ConnectTimeout)
        try:
            async with attended(timeout):
                return DeadlineStream(await self._stream.start_tls(ssl_context, server_hostname, left))
        except TimeoutError as error:
            await self.aclose()
            raise httpcore2.ConnectTimeout(f"{server_hostname} did not begin TLS in time") from error

    def get_extra_info(self, info: str) -> Any:  # Any: the signature of httpcore2
        """This will pass on what the socket knows about itself."""
        return self._stream.get_extra_info(info)


@asynccontextmanager
async def attended(seconds: float | None) -> AsyncIterator[None]:
    """This will end the block with TimeoutError after so many seconds of a loop that has time for it.

    A loop that carries many calls may come round to one of them late, and that says nothing about its peer. So the time
    is counted in parts, and between two looks of the loop passes one part at most. None counts nothing.
    """
    if seconds is None:
        yield
        return
    loop, parts = asyncio.get_running_loop(), _PARTS
    timer: asyncio.TimerHandle

    def count() -> None:
        nonlocal parts, timer
        parts -= 1
        if parts:
            timer = loop.call_later(seconds / _PARTS, count)
        else:
            limit.reschedule(loop.time())

    async with asyncio.timeout(None) as limit:
        timer = loop.call_later(seconds / _PARTS, count)
        try:
            yield
        finally:
            timer.cancel()


async def reachable(*, host: str, port: int, egress: Egress, timeout_s: float) -> Sequence[str]:
    """This will do what `guard.reachable` does, for an adapter with sockets of its own on an event loop."""
    try:
        found = await Resolver().allowed(host=host, port=port, egress=egress, timeout_s=timeout_s)
    except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
        raise Unavailable(f"{host} was not reached: {error}", evidence={"host": host}) from error
    return [str(address) for address in found]


class Resolver:
    """Asks for each name once at a time, whoever waits for it: a thousand calls to one host need one thread."""

    def __init__(self) -> None:
        self._asked: dict[str, asyncio.Future[Answer]] = {}

    async def allowed(self, *, host: str, port: int, egress: Egress, timeout_s: float) -> Sequence[Address]:
        """This will do what `guard.allowed` does, with its errors."""
        guard.admit(host, egress=egress)
        addresses = await self.resolve(host=host, port=port, timeout_s=timeout_s)
        guard.check(host=host, addresses=addresses, egress=egress)
        return addresses

    async def resolve(self, *, host: str, port: int, timeout_s: float) -> Sequence[Address]:
        """This will find the addresses of a host, as `guard.resolve` does and with its errors."""
        literal = guard.literal_address(host)
        if literal is not None:
            return [literal]
        try:
            async with asyncio.timeout(max(timeout_s, 0)):
                answer = await asyncio.shield(self._asked.get(host) or self._ask(host, port=port))
        except TimeoutError as error:
            raise guard.late(host) from error
        return guard.addresses_of(host, answer=answer)

    def _ask(self, host: str, *, port: int) -> "asyncio.Future[Answer]":
        loop = asyncio.get_running_loop()
        future = self._asked[host] = loop.create_future()

        def settle(answer: Answer) -> None:
            self._asked.pop(host, None)
            future.set_result(answer)

        def tell(answer: Answer) -> None:
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(settle, answer)

        guard.look_up(host=host, port=port, tell=tell)
        return future
