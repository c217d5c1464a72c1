"""An outside system that counts: how many connections are open, and how many were at most."""

import asyncio
import threading
from types import TracebackType
from typing import Self


class CountingPeer:
    """A TCP server in a thread. A client says goodbye by closing its side; then it is not counted any more."""

    def __init__(self) -> None:
        self.open = 0
        self.peak = 0
        self.served = 0
        self.port = 0
        self.said: list[bytes] = []
        """What each connection said until its end."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="peer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            self.said.append(await reader.read())
        except ConnectionError:
            pass  # its process was killed
        finally:
            self.open -= 1
            self.served += 1
            writer.close()
