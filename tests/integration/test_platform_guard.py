"""The guard's list outlives the guard: what a killed one watched, its successor ends."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from config.servers.guard import Guard, Ward, is_alive
from tests.support.waiting import wait_until


def test_successor_of_a_killed_guard_ends_what_it_watched(tmp_path: Path) -> None:
    folder = tmp_path / "left-over"
    folder.mkdir()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    _reap(child)
    guard = Guard()
    guard.watch(Ward(target=-child.pid, signal=signal.SIGTERM, limit_s=5.0))
    guard.remove_at_end(folder)
    first = guard.pid
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: _replaced(guard, first=first), what="a new guard")

    guard.close()

    assert child.wait(timeout=120) == -signal.SIGTERM
    assert not is_alive(target=-child.pid)
    assert not folder.exists()


def test_list_is_kept_when_the_guard_dies_between_two_messages() -> None:
    children = [subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(2)]
    _reap(*children)
    guard = Guard()
    guard.watch(Ward(target=-children[0].pid, signal=signal.SIGTERM, limit_s=5.0))
    os.kill(guard.pid, signal.SIGKILL)
    guard.watch(Ward(target=-children[1].pid, signal=signal.SIGTERM, limit_s=5.0))

    guard.close()

    assert [child.wait(timeout=120) for child in children] == [-signal.SIGTERM] * 2


def _reap(*children: "subprocess.Popen[bytes]") -> None:
    """A zombie counts as alive: somebody has to take note when they end."""
    for child in children:
        threading.Thread(target=child.wait, daemon=True).start()


def _replaced(guard: Guard, *, first: int) -> bool:
    guard.replace_when_dead()
    return guard.pid != first
