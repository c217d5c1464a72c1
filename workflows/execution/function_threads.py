"""Runs functions that block beside an event loop, in a bounded number of threads; it cannot end one that is late.

The threads are daemons: one that never comes back holds up neither the loop nor the end of the process.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress

from django.db import connection

from workflows.execution.timeouts import StepTimeout


class FunctionThreads:
    """At most `limit` functions at a time; used from one event loop only."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._free = asyncio.Semaphore(limit)
        self._overdue: set[asyncio.Future[object]] = set()

    @property
    def are_stuck(self) -> bool:
        """This will tell whether every thread is in a function that nobody waits for any more."""
        return len(self._overdue) >= self._limit

    async def run(self, function: Callable[[], object], *, timeout_s: float) -> object:
        """This will call a function in a thread, with the caller's context variables.

        Raises StepTimeout after `timeout_s`: the function goes on, and keeps its thread until it returns.
        """
        await self._free.acquire()
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._start(function, future=future)
        try:
            await asyncio.wait({future}, timeout=timeout_s)
        finally:
            if not future.done():
                self._overdue.add(future)
        if not future.done():
            raise StepTimeout
        return future.result()

    def _start(self, function: Callable[[], object], *, future: "asyncio.Future[object]") -> None:
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()

        def execute() -> None:
            try:
                result, error = context.run(function), None
            except BaseException as raised:  # noqa: BLE001  handed to who waits
                result, error = None, raised
            finally:
                connection.close()
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(self._end, future, result, error)

        threading.Thread(target=execute, name="function", daemon=True).start()

    def _end(self, future: "asyncio.Future[object]", result: object, error: BaseException | None) -> None:
        self._free.release()
        if future in self._overdue:
            self._overdue.discard(future)
        elif error is None:
            future.set_result(result)
        elif isinstance(error, Exception | StepTimeout):
            future.set_exception(error)
        else:  # a SystemExit would end the loop
            future.set_exception(RuntimeError(f"it raised {type(error).__name__}: {error}"))
