"""The sources as this process knows them, with their secrets in memory; refreshed in a thread, asked without waiting.

While the database is away the latest known ones go on being served.
"""

import threading
import time
from collections.abc import Callable, Mapping

import structlog

from automation.intake.judging import Source

log = structlog.get_logger(__name__)
Load = Callable[[], Mapping[str, Source]]
_SOONEST_S = 0.5


class Sources:
    """`load` reads all of them; it is called every `every_s`, and sooner when somebody asks for it.

    `tick` is called after it, and `at_end` when it is called no more, all in one thread.
    """

    def __init__(self, load: Load, *, every_s: float, tick: Callable[[], object], at_end: Callable[[], object]) -> None:
        self._load = load
        self._every_s = every_s
        self._tick = tick
        self._at_end = at_end
        self._known: Mapping[str, Source] = {}
        self._is_loaded = False
        self._tried_at = float("-inf")
        self._wanted = threading.Event()
        self._looked = threading.Condition()
        self._is_open = True
        self._thread = threading.Thread(target=self._run, name="sources", daemon=True)
        self._thread.start()

    @property
    def is_loaded(self) -> bool:
        """This will tell whether they were read at least once."""
        return self._is_loaded

    def find(self, name: str) -> Source | None:
        """This will give a source, as far as it is known now."""
        return self._known.get(name)

    def look_again(self, *, since: float, timeout_s: float) -> bool:
        """This will wait until somebody tried to read them after `since` (monotonic), which is at most twice a second.

        It blocks: call it from a thread.
        """
        until = time.monotonic() + timeout_s
        with self._looked:
            while self._tried_at < since:
                self._wanted.set()
                if not self._looked.wait(max(until - time.monotonic(), 0.0)) and time.monotonic() >= until:
                    return False
        return True

    @property
    def may_be_stale(self) -> bool:
        """This will tell whether a look is worth its while."""
        return time.monotonic() - self._tried_at >= _SOONEST_S

    def close(self) -> None:
        """This will end the thread."""
        self._is_open = False
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        while self._is_open:
            begun_at = time.monotonic()
            self._wanted.clear()
            self._refresh(begun_at)
            self._wanted.wait(self._every_s)
            if self._is_open:
                time.sleep(max(0.0, _SOONEST_S - (time.monotonic() - begun_at)))
        self._safely(self._tick)
        self._at_end()

    def _refresh(self, begun_at: float) -> None:
        self._safely(self._read)
        with self._looked:
            self._tried_at = begun_at
            self._looked.notify_all()
        self._safely(self._tick)

    def _read(self) -> None:
        self._known = self._load()
        self._is_loaded = True

    def _safely(self, part: Callable[[], object]) -> None:
        try:
            part()
        except Exception as error:  # noqa: BLE001  the database is away in many ways, and what is known still counts
            log.warning("intake_sources_stale", reason=f"{type(error).__name__}: {error}"[:200])
