"""A small file in which a process says that it goes on, and that a probe reads; it never reaches the network.

    <PULSE_DIR>/<kind>-<pid>.json

The process holds a lock on its file for as long as it lives, so what a killed process left behind says nothing. A
process that cannot write it works all the same, and says so once in its log.
"""

import contextlib
import fcntl
import json
import os
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from automation.liveness import Vitals

log = structlog.get_logger(__name__)
LOOP = "loop"
"""The part of a worker that receives messages."""

_EVERY_S = 1.0
_TRIES = 5


class Pulse:
    """The pulse of this process. Safe to use from all its threads."""

    def __init__(self, *, kind: str, directory: Path, name: str = "") -> None:
        self._name = name
        self._pid = os.getpid()  # a fork of this process has no pulse
        self._path = directory / f"{kind}-{os.getpid()}.json"
        self._lock = threading.Lock()
        self._beats: dict[str, tuple[float, float]] = {}
        self._reading: Mapping[str, object] = {}
        self._is_ending = False
        self._written_at = 0.0
        self._file = _opened(self._path)

    def beat(self, part: str, *, rest_s: float = 0.0) -> None:
        """This will note that a part goes on, and means to rest for so long before it is heard of again."""
        now = time.monotonic()
        with self._lock:
            self._beats[part] = (now, rest_s)
            if now - self._written_at >= _EVERY_S:
                self._write(now)

    def show(self, reading: Mapping[str, object]) -> None:
        """This will write down more of `Vitals`, at the next beat."""
        with self._lock:
            self._reading = reading

    def end(self) -> None:
        """This will note that the process is ending: what stands still from now on is no fault."""
        with self._lock:
            self._is_ending = True
            self._write(time.monotonic())

    def close(self) -> None:
        """This will take the file away."""
        with self._lock:
            if self._file is not None:
                self._path.unlink(missing_ok=True)
                os.close(self._file)
                self._file = None

    def _write(self, now: float) -> None:
        if self._file is None or os.getpid() != self._pid:
            return
        self._written_at = now
        vitals = {
            **Vitals(pid=self._pid, name=self._name, is_ending=self._is_ending, beats=self._beats).document(),
            **self._reading,
        }
        text = json.dumps(vitals).encode()
        with contextlib.suppress(OSError):  # a full disk: what is not written cannot be read, and that is seen
            os.pwrite(self._file, text, 0)
            os.ftruncate(self._file, len(text))


_current: list[Pulse] = []
"""The pulse of this process, if it has one."""


def begin(*, kind: str, directory: Path, name: str = "") -> Pulse:
    """This will give this process a pulse."""
    _current[:] = [Pulse(kind=kind, directory=directory, name=name)]
    return _current[0]


def beat(part: str, *, rest_s: float = 0.0) -> None:
    """This will note that a part of this process goes on; nothing happens where it has no pulse."""
    for pulse in _current:
        pulse.beat(part, rest_s=rest_s)


def show(reading: Mapping[str, object]) -> None:
    """This will write down more of `Vitals`; nothing happens where this process has no pulse."""
    for pulse in _current:
        pulse.show(reading)


def directory_of(setting: str) -> Path:
    """This will give the folder that PULSE_DIR names, or the one that is taken without it."""
    return Path(setting) if setting else Path(tempfile.gettempdir()) / f"automation-pulse-{os.geteuid()}"


def read(*, kind: str, directory: Path) -> Sequence[Vitals]:
    """This will give what all living processes of a kind say of themselves."""
    found = (_read(path) for path in sorted(directory.glob(f"{kind}-*.json")))
    return [vitals for vitals in found if vitals is not None]


def _opened(path: Path) -> int | None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        os.ftruncate(file, 0)
    except OSError as error:
        log.warning("pulse_not_written", path=str(path), error=str(error))
        return None
    return file


def _read(path: Path) -> Vitals | None:
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return None if _is_left_behind(file) else _parsed(file)
    finally:
        os.close(file)


def _is_left_behind(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _parsed(file: int) -> Vitals | None:
    """A read that met a write half way is done again."""
    for _ in range(_TRIES):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return Vitals.read(json.loads(os.pread(file, 1 << 20, 0)))
        time.sleep(0.01)
    return None
