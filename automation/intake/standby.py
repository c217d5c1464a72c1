"""Keeps a store that is rarely needed ready to be used at once; it decides nothing about what is put there."""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from automation.intake.envelope import Envelope
from automation.intake.stores import Store, ask

_LOOK_S = 2.0
_Job = tuple[Sequence[Envelope], "Future[Sequence[Envelope]]"]


class Standby:
    """A store in a thread of its own: it is connected, and found out to be away, before somebody needs it."""

    def __init__(self, store: Store, *, every_s: float = _LOOK_S) -> None:
        self._store = store
        self._every_s = every_s
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="standby", daemon=True)
        self._thread.start()

    def put(self, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
        """This will have the store keep requests, and give those it may not have kept."""
        if not envelopes:
            return ()
        done: Future[Sequence[Envelope]] = Future()
        self._jobs.put((envelopes, done))
        return done.result()

    def close(self) -> None:
        """This will end the thread, and with it the store's connection."""
        self._jobs.put(None)
        self._thread.join()

    def is_reachable(self) -> bool:
        """This will ask the store, over a connection of its own."""
        return self._store.is_reachable()

    def _run(self) -> None:
        ask(self._store, ())
        while True:
            try:
                job = self._jobs.get(timeout=self._every_s)
            except queue.Empty:
                ask(self._store, ())
                continue
            if job is None:
                break
            envelopes, done = job
            done.set_result(ask(self._store, envelopes))
        self._store.close()
