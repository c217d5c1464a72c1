"""One process that is started again whenever it dies; it never starts it faster than it can live."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from config.servers.children import Child, Program
from config.servers.errors import ServerFailed
from config.servers.guard import Guard

_QUICK_DEATH_S = 10.0
_LONGEST_DELAY_S = 10.0
_FIRST_DELAY_S = 0.25
_POLL_S = 0.05


class Kept:
    """A program and its present process."""

    _child: Child

    def __init__(self, *, program: Program, guard: Guard) -> None:
        self._program = program
        self._guard = guard
        self._lock = threading.Lock()
        self._quick_deaths = 0
        self._restart_at: float | None = None
        self.restarts = 0
        self._start()

    @property
    def log_path(self) -> Path:
        """This will be where it writes."""
        return self._program.log_path

    @property
    def pid(self) -> int:
        """This will be the id of its present process."""
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """This will tell whether its process runs now."""
        return self._child.is_running

    def has_logged(self, text: str) -> bool:
        """This will tell whether the present process has written `text`."""
        return _has_written(self.log_path, text=text, since=self._log_from)

    def restart_when_dead(self, *, now: float) -> None:
        """This will start it again, at once or after a delay that grows while it dies young."""
        with self._lock:
            if self._child.is_running:
                return
            if self._restart_at is None:
                self._child.kill()  # descendants that outlived it must not work beside its successor
                self._quick_deaths = self._quick_deaths + 1 if now - self._started_at < _QUICK_DEATH_S else 0
                self._restart_at = now + self._delay_s()
            if now >= self._restart_at:
                self.restarts += 1
                self._start()

    def replace(self, *, args: Sequence[str], ready: str, start_limit_s: float, stop_limit_s: float) -> None:
        """This will start a successor beside the process, and end the process when the successor has logged `ready`.

        Raises ServerFailed when it does not within `start_limit_s`: then all is as before.
        """
        program = replace(self._program, args=args)
        log_from = _size(program.log_path)
        successor = Child(program=program, guard=self._guard)
        try:
            self._wait(successor, ready=ready, log_from=log_from, limit_s=start_limit_s)
        except BaseException:
            successor.kill()
            raise
        with self._lock:
            old, self._child, self._program = self._child, successor, program
            self._log_from, self._started_at, self._restart_at = log_from, time.monotonic(), None
        old.stop(limit_s=stop_limit_s)

    def kill(self) -> int:
        """This will end it as a crash would and return the id it had."""
        self._child.kill()
        return self._child.pid

    def stop(self) -> None:
        """This will end it cleanly and for good."""
        self._child.stop()

    def _start(self) -> None:
        self._log_from = _size(self._program.log_path)
        self._child = Child(program=self._program, guard=self._guard)
        self._started_at = time.monotonic()
        self._restart_at = None

    def _wait(self, successor: Child, *, ready: str, log_from: int, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not _has_written(self.log_path, text=ready, since=log_from):
            if not successor.is_running or time.monotonic() > deadline:
                what = "did not start in time" if successor.is_running else "ended while it was starting"
                raise ServerFailed(server=self._program.name, what=what, log_path=self.log_path)
            time.sleep(_POLL_S)

    def _delay_s(self) -> float:
        if self._quick_deaths == 0:
            return 0.0
        return min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** (self._quick_deaths - 1))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _has_written(path: Path, *, text: str, since: int) -> bool:
    with path.open("rb") as log:
        log.seek(since)
        return text.encode() in log.read()
