"""Carries requests from the event loop to the durable places, in one thread and in batches.

Whatever gathers while one batch is made durable is the next batch: under load many share a confirm, idle none waits.
"""

import asyncio
import queue
import threading
from collections.abc import Sequence

import structlog

from automation.intake.envelope import Envelope, weight
from automation.intake.stores import Store, ask

log = structlog.get_logger(__name__)
_BATCH = 256
_BATCH_BYTES = 8_000_000
_Waiting = tuple[Envelope, "asyncio.Future[bool]"]


class Full(Exception):
    """So much waits already that more would only wait longer."""


class Buffer:
    """The thread and what waits for it. `most_bytes` may wait at once. The first store that takes a request counts."""

    def __init__(self, stores: Sequence[Store], *, most_bytes: int) -> None:
        self._stores = stores
        self._most_bytes = most_bytes
        self._bytes = 0
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="buffer", daemon=True)
        self._thread.start()

    async def put(self, envelope: Envelope) -> bool:
        """This will return when a request is durable, False when nobody could take it. Raises Full."""
        size = weight(envelope)
        if self._bytes + size > self._most_bytes:
            raise Full
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._bytes += size
        try:
            self._queue.put((envelope, done))
            return await done
        finally:
            self._bytes -= size

    @property
    def is_alive(self) -> bool:
        """This will tell whether its thread goes on."""
        return self._thread.is_alive()

    def close(self) -> None:
        """This will end the thread when all that waits is done."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        for store in self._stores:
            ask(store, ())  # connects before the first request comes
        is_open = True
        while is_open:
            batch, is_open = self._gather()
            if batch:
                self._settle(batch)
        for store in self._stores:
            store.close()

    def _gather(self) -> tuple[Sequence[_Waiting], bool]:
        batch: list[_Waiting] = []
        size = 0
        waiting = self._queue.get()
        while waiting is not None:
            batch.append(waiting)
            size += len(waiting[0].body)
            if len(batch) == _BATCH or size >= _BATCH_BYTES:
                return batch, True
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _settle(self, batch: Sequence[_Waiting]) -> None:
        left: Sequence[Envelope] = [envelope for envelope, _ in batch]
        for store in self._stores:
            if left:
                left = ask(store, left)
        failed = {envelope.id for envelope in left}
        loop = batch[0][1].get_loop()
        try:
            loop.call_soon_threadsafe(_answer, [(done, envelope.id not in failed) for envelope, done in batch])
        except RuntimeError:  # the loop has ended: nobody hears the answer any more
            log.warning("intake_answers_lost", count=len(batch))


def _answer(answers: Sequence[tuple["asyncio.Future[bool]", bool]]) -> None:
    for done, is_kept in answers:
        if not done.done():
            done.set_result(is_kept)
