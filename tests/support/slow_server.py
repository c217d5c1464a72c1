"""A real HTTP server on loopback that answers late and counts how many requests it holds at once."""

import asyncio
import json
import threading
from collections import Counter
from types import TracebackType
from typing import Self


class SlowServer:
    """Answers each request `delay_s` after `hold_until` requests have been open at once (for the first time).

    `peak` is the most that were open at once; `keys` counts requests by Idempotency-Key, or by path without one.
    """

    def __init__(self, *, delay_s: float = 0.0, hold_until: int = 0) -> None:
        self.peak = 0
        self.open = 0
        self.given_up = 0
        self.keys: Counter[str] = Counter()
        self.port = 0
        self._delay_s = delay_s
        self._hold_until = hold_until
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def total(self) -> int:
        """This will be how many requests came."""
        return self.keys.total()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_ready.wait(timeout=120)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout=120)

    def release(self) -> None:
        """This will answer everything that is held, and hold nothing more."""
        self._loop.call_soon_threadsafe(self._released.set)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping, self._released = asyncio.Event(), asyncio.Event()
        if not self._hold_until:
            self._released.set()
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        self._is_ready.set()
        await self._stopping.wait()
        server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                await reader.readexactly(int(headers.get("content-length", 0)))
                self.keys[headers.get("idempotency-key", head.split(" ")[1])] += 1
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.peak = max(self.peak, self.open)
        if self._hold_until and self.open >= self._hold_until:
            self._released.set()
        gone = asyncio.create_task(reader.read(1))  # a caller that waits says nothing more
        try:
            held = asyncio.create_task(self._hold())
            await asyncio.wait({gone, held}, return_when=asyncio.FIRST_COMPLETED)
            if not held.done():
                held.cancel()
                self.given_up += 1
                raise ConnectionResetError
        finally:
            self.open -= 1
            gone.cancel()
            await asyncio.wait({gone})  # only one may read at a time
        body = json.dumps({"ok": True}).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        await writer.drain()

    async def _hold(self) -> None:
        await self._released.wait()
        await asyncio.sleep(self._delay_s)
