"""One process that is started again whenever it dies; it never starts it faster than it can live."""

import time
from pathlib import Path

from config.servers.children import Child, Program
from config.servers.guard import Guard

_QUICK_DEATH_S = 10.0
_LONGEST_DELAY_S = 10.0
_FIRST_DELAY_S = 0.25


class Kept:
    """A program and its present process."""

    def __init__(self, *, program: Program, guard: Guard) -> None:
        self._program = program
        self._guard = guard
        self._quick_deaths = 0
        self._restart_at: float | None = None
        self.restarts = 0
        self._start()

    @property
    def log_path(self) -> Path:
        """This will be where it writes."""
        return self._program.log_path

    @property
    def is_running(self) -> bool:
        """This will tell whether its process runs now."""
        return self._child.is_running

    def has_logged(self, text: str) -> bool:
        """This will tell whether the present process has written `text`."""
        with self._program.log_path.open("rb") as log:
            log.seek(self._log_from)
            return text.encode() in log.read()

    def restart_when_dead(self, *, now: float) -> None:
        """This will start it again, at once or after a delay that grows while it dies young."""
        if self._child.is_running:
            return
        if self._restart_at is None:
            self._child.kill()  # descendants that outlived it must not work beside its successor
            self._quick_deaths = self._quick_deaths + 1 if now - self._started_at < _QUICK_DEATH_S else 0
            self._restart_at = now + self._delay_s()
        if now >= self._restart_at:
            self.restarts += 1
            self._start()

    def kill(self) -> int:
        """This will end it as a crash would and return the id it had."""
        self._child.kill()
        return self._child.pid

    def stop(self) -> None:
        """This will end it cleanly and for good."""
        self._child.stop()

    def _start(self) -> None:
        log_path = self._program.log_path
        self._log_from = log_path.stat().st_size if log_path.exists() else 0
        self._child = Child(program=self._program, guard=self._guard)
        self._started_at = time.monotonic()
        self._restart_at = None

    def _delay_s(self) -> float:
        if self._quick_deaths == 0:
            return 0.0
        return min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** (self._quick_deaths - 1))
