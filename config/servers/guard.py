"""Ends the children and removes the folders of a process that died, however it died; it starts nothing.

The guard is a small process in a session of its own that reads from a pipe whose other end only its owner
holds. When the owner ends, even by SIGKILL, the pipe ends, and the guard stops what is still on its list,
latest first. This file is also the guard's program and imports the standard library alone: it starts in a
few milliseconds.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

_POLL_S = 0.02
_NO_SIGNAL = 0


@dataclass(frozen=True, kw_only=True)
class Ward:
    """A process (`target` positive) or a process group (negative) and how it is to be stopped."""

    target: int
    signal: int
    limit_s: float


class Guard:
    """The owner's end of the pipe. `keep_open` are file descriptors (locks) the guard holds until it ends.

    Should the guard process be killed itself, a new one takes over its list. Safe to use from several threads.
    """

    def __init__(self, *, keep_open: tuple[int, ...] = ()) -> None:
        self._keep_open = keep_open
        self._lock = threading.Lock()
        self._wards: dict[int, Ward] = {}
        self._folders: list[Path] = []
        self._process = self._start()

    @property
    def pid(self) -> int:
        """This will be the id of the guard process."""
        return self._process.pid

    def watch(self, ward: Ward) -> None:
        """This will have `ward` stopped when the owner dies."""
        with self._lock:
            self._wards[ward.target] = ward
            self._tell({"watch": asdict(ward)})

    def forget(self, *, target: int) -> None:
        """This will take a process that has ended off the list."""
        with self._lock:
            self._wards.pop(target, None)
            self._tell({"forget": target})

    def remove_at_end(self, path: Path) -> None:
        """This will have a folder deleted at the end, after all processes."""
        with self._lock:
            self._folders.append(path)
            self._tell({"remove": str(path)})

    def replace_when_dead(self) -> None:
        """This will have a new process take over the list of one that was killed."""
        with self._lock:
            if self._process.poll() is not None:
                self._take_over()

    def close(self) -> None:
        """This will end the guard, after it has stopped and removed what is still on its list."""
        with self._lock:
            while not self._has_ended_well():  # killed on the way: the next one does it
                self._process = self._start()
                self._tell_all()

    def _has_ended_well(self) -> bool:
        with contextlib.suppress(BrokenPipeError):
            self._pipe.close()
        return self._process.wait() == 0

    @property
    def _pipe(self) -> IO[str]:
        assert self._process.stdin is not None  # opened with PIPE below
        return self._process.stdin

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._keep_open,
            cwd="/",
            text=True,
        )

    def _tell(self, message: dict[str, object]) -> None:
        try:
            self._write(message)
        except BrokenPipeError:
            self._take_over()

    def _take_over(self) -> None:
        self._has_ended_well()
        self._process = self._start()
        self._tell_all()

    def _tell_all(self) -> None:
        for ward in self._wards.values():
            self._write({"watch": asdict(ward)})
        for path in self._folders:
            self._write({"remove": str(path)})

    def _write(self, message: dict[str, object]) -> None:
        self._pipe.write(json.dumps(message) + "\n")
        self._pipe.flush()


def stop_all(wards: list[Ward]) -> None:
    """This will signal all of `wards` at once and kill those that outlast their limit."""
    started_at = time.monotonic()
    for ward in reversed(wards):
        _send_signal(target=ward.target, number=ward.signal)
    for ward in reversed(wards):
        while is_alive(target=ward.target) and time.monotonic() - started_at < ward.limit_s:
            time.sleep(_POLL_S)
        _send_signal(target=ward.target, number=signal.SIGKILL)
    for ward in wards:
        while is_alive(target=ward.target) and time.monotonic() - started_at < ward.limit_s + 5:
            time.sleep(_POLL_S)


def find_descendants(pid: int) -> list[int]:
    """This will list the processes below `pid`, those that left its group too (Linux; elsewhere none)."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            fields = path.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def is_alive(*, target: int) -> bool:
    """This will tell whether a process, or any process of a group, still exists (a zombie does)."""
    try:
        os.kill(target, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _send_signal(*, target: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(target, number)
        os.kill(target, signal.SIGCONT)  # a stopped process would never see its signal


def main() -> None:
    """This will keep the list until the pipe ends, then stop and remove everything on it."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    wards: dict[int, Ward] = {}
    folders: list[str] = []
    for line in sys.stdin:
        match json.loads(line):
            case {"watch": dict(ward)}:
                wards[ward["target"]] = Ward(**ward)
            case {"forget": int(target)}:
                wards.pop(target, None)
            case {"remove": str(path)}:
                folders.append(path)
    stop_all([*wards.values(), *_descendants_of(list(wards.values()))])
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _descendants_of(wards: list[Ward]) -> list[Ward]:
    """They end with their parents; those that do not are killed when the parent's time is over."""
    return [
        Ward(target=pid, signal=_NO_SIGNAL, limit_s=ward.limit_s)
        for ward in wards
        for pid in find_descendants(abs(ward.target))
    ]


if __name__ == "__main__":
    main()
