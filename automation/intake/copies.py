"""Copies of what only the broker has, in memory, until they are rows: all data of the broker may be lost by then.

Nobody waits for these rows: a thread of its own writes them, over a connection of its own, and rests between batches as
long as it wrote, so that new requests have PostgreSQL for themselves half of the time at least. The receiver makes rows
of the broker's messages meanwhile: one id is one row, whoever is first.
"""

import threading
import time
from collections.abc import Sequence
from itertools import islice
from uuid import UUID

import structlog

from automation.intake.envelope import Envelope, weight
from automation.intake.stores import Store, ask

log = structlog.get_logger(__name__)
_BATCH = 128
_BATCH_BYTES = 2_000_000
_LEAST_PAUSE_S = 0.02
_AGAIN_S = 0.25
END_S = 3.0
"""How long the end of the process waits for a PostgreSQL that takes nothing yet."""


class Copied:
    """A store whose requests are rows in `home` soon after. At most `most` of them, of `most_bytes`, are held."""

    def __init__(self, store: Store, *, home: Store, most: int, most_bytes: int, end_s: float = END_S) -> None:
        self._store = store
        self._home = home
        self._most = most
        self._most_bytes = most_bytes
        self._end_s = end_s
        self._lock = threading.Lock()
        self._held: dict[UUID, Envelope] = {}
        self._bytes = 0
        self._is_full = False
        self._has_some = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="copies", daemon=True)
        self._thread.start()

    def put(self, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
        """This will have the store keep requests, hold copies of what it kept, and give those it may not have kept."""
        failed = ask(self._store, envelopes)
        gone = {envelope.id for envelope in failed}
        self._hold([envelope for envelope in envelopes if envelope.id not in gone])
        return failed

    def close(self) -> None:
        """This will write what is held, if PostgreSQL takes it within seconds, and close the store."""
        with self._lock:
            self._ending.set()
            self._has_some.set()
        self._thread.join()
        self._store.close()

    def is_reachable(self) -> bool:
        """This will ask the store, over a connection of its own."""
        return self._store.is_reachable()

    @property
    def held(self) -> int:
        """This will give how many copies wait to be rows."""
        return len(self._held)

    def _hold(self, envelopes: Sequence[Envelope]) -> None:
        without = 0
        with self._lock:
            for envelope in envelopes:
                size = weight(envelope)
                if len(self._held) >= self._most or self._bytes + size > self._most_bytes:
                    without += 1
                elif envelope.id not in self._held:
                    self._held[envelope.id] = envelope
                    self._bytes += size
            is_new = without > 0 and not self._is_full
            self._is_full = self._is_full or is_new
            if self._held:
                self._has_some.set()
        if is_new:
            log.warning("intake_copies_full", held=len(self._held), bytes=self._bytes, without=without)

    def _run(self) -> None:
        while True:
            self._has_some.wait()
            if self._ending.is_set():
                break
            began_at = time.monotonic()
            is_written = self._write()
            self._ending.wait(max(_LEAST_PAUSE_S, time.monotonic() - began_at) if is_written else _AGAIN_S)
        self._finish()
        self._home.close()

    def _finish(self) -> None:
        until = time.monotonic() + self._end_s
        while self._held and (self._write() or time.monotonic() < until):
            time.sleep(_LEAST_PAUSE_S)
        if self._held:
            log.warning("intake_copies_left", count=len(self._held))

    def _write(self) -> bool:
        """Write some down, the oldest first; gives whether that worked."""
        batch = self._oldest()
        left = {envelope.id for envelope in ask(self._home, batch)}
        with self._lock:
            for envelope in batch:
                if envelope.id not in left:
                    self._bytes -= weight(self._held.pop(envelope.id))
            is_empty = not self._held
            if is_empty:
                self._is_full = False
            if is_empty and not self._ending.is_set():
                self._has_some.clear()
        if is_empty:
            log.info("intake_copies_written", latest=len(batch))
            self._home.close()
        return len(left) < len(batch)

    def _oldest(self) -> Sequence[Envelope]:
        batch: list[Envelope] = []
        size = 0
        with self._lock:
            for envelope in islice(self._held.values(), _BATCH):
                size += len(envelope.body)
                if batch and size > _BATCH_BYTES:
                    break
                batch.append(envelope)
        return batch
