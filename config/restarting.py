"""Asks a platform that `make up` keeps running to restart its processes one after the other, and hears how it went.

The request is a signal to the process whose id is in `<var>/supervisor.pid`; the answer is a file beside it.
"""

import contextlib
import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import CalledProcessError
from types import FrameType

from config.platform import Platform
from config.servers.errors import ServersError

_LIMIT_S = 1800.0
_POLL_S = 0.2


class NotRunning(Exception):
    """Nobody keeps a platform running in that folder."""

    def __init__(self, var_dir: Path) -> None:
        super().__init__(f"no platform runs in {var_dir}: start it with `make up`, or name its folder with --var")


class Receiver:
    """The platform's end: notes that somebody has asked, which the main thread then carries out."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._asked = threading.Event()
        self._answered = 0

    @contextlib.contextmanager
    def receiving(self) -> Iterator[None]:
        """This will take requests inside the block."""
        previous = signal.signal(signal.SIGUSR1, self._note)
        with _pid_path(self._platform.var_dir).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # held for as long as the process lives
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            _answer_path(self._platform.var_dir).unlink(missing_ok=True)
            try:
                yield
            finally:
                _pid_path(self._platform.var_dir).unlink(missing_ok=True)
                signal.signal(signal.SIGUSR1, previous)

    def serve(self) -> None:
        """This will carry out each request, until an exception ends it."""
        while True:
            self._asked.wait()
            self._asked.clear()
            is_well, lines = self._carry_out()
            self._answered += 1
            _write(_answer_path(self._platform.var_dir), {"number": self._answered, "is_well": is_well, "lines": lines})

    def _carry_out(self) -> tuple[bool, list[str]]:
        lines: list[str] = []
        try:
            for name in self._platform.restart():
                lines.append(f"{name}: new")
                sys.stdout.write(f"restarted: {name}\n")
                sys.stdout.flush()
        except (ServersError, CalledProcessError, OSError) as error:
            return False, [*lines, f"stopped: {error}; the other processes go on as they were"]
        return True, lines

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._asked.set()


def ask(var_dir: Path, *, limit_s: float = _LIMIT_S) -> tuple[bool, list[str]]:
    """This will have the platform in a folder restarted; tells whether all went well, and what was done.

    Raises NotRunning, TimeoutError.
    """
    path = _answer_path(var_dir)
    before = _number(path)
    os.kill(_running_pid(var_dir), signal.SIGUSR1)
    deadline = time.monotonic() + limit_s
    while _number(path) == before:
        _running_pid(var_dir)
        if time.monotonic() > deadline:
            raise TimeoutError(f"the platform in {var_dir} was not restarted within {limit_s:g} s: see its logs")
        time.sleep(_POLL_S)
    answer = json.loads(path.read_text())
    return bool(answer["is_well"]), list(answer["lines"])


def _running_pid(var_dir: Path) -> int:
    """The process that holds the lock. Raises NotRunning."""
    try:
        with _pid_path(var_dir).open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read())
    except (OSError, ValueError):
        pass
    raise NotRunning(var_dir)


def _number(path: Path) -> int:
    return int(json.loads(path.read_text())["number"]) if path.exists() else 0


def _write(path: Path, document: Mapping[str, object]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document))
    new.replace(path)


def _pid_path(var_dir: Path) -> Path:
    return var_dir / "supervisor.pid"


def _answer_path(var_dir: Path) -> Path:
    return var_dir / "restarted.json"
