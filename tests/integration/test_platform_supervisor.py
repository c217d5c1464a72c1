"""The embedded platform: that it starts, mends itself, and is gone with its owner however the owner dies."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.platform import Platform
from tests.support.environment import ROOT
from tests.support.waiting import wait_until


@pytest.fixture
def up(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """This will be `make up` in a folder of its own, ready."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "config.supervisor",
            "up",
            "--port",
            "0",
            "--workers",
            "1",
            "--var",
            str(tmp_path),
        ],
        cwd=ROOT,
        env=_plain_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    welcome = next((line for line in process.stdout if "Ctrl-C" in line), None)
    assert welcome is not None, "it ended while it was starting"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    wait_until(lambda: not _processes_that_mention(tmp_path), limit_s=30)


def test_platform_starts_a_killed_worker_again(tmp_path: Path) -> None:
    with Platform(var_dir=tmp_path, workers=1, concurrency=1) as platform:
        assert platform.restarts["worker0"] == platform.restarts["io0"] == 0
        platform.kill_worker(0)
        platform.kill_worker(1)
        wait_until(lambda: platform.restarts["worker0"] == platform.restarts["io0"] == 1)
        with urllib.request.urlopen(f"{platform.url}/health/ready", timeout=10) as answer:
            assert answer.status == 200
    assert _processes_that_mention(tmp_path) == []


def test_platform_replaces_a_killed_guard_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with Platform(var_dir=tmp_path, workers=1, concurrency=1) as platform:
        first = platform.guard_pid
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: platform.guard_pid != first, what="a new guard")
    assert _processes_that_mention(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_up_leaves_no_process_and_a_closed_secret_key_when_it_is_ended(
    number: signal.Signals, up: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert _processes_that_mention(tmp_path) != []
    up.send_signal(number)
    up.wait(timeout=60)
    wait_until(lambda: _processes_that_mention(tmp_path) == [], limit_s=30, what="no process is left")
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


def _plain_environment() -> dict[str, str]:
    """What a newcomer's shell has: nothing of this test session."""
    ours = re.compile(r"DATABASE_URL|BROKER_URL|REDIS_URL|SECRET_KEY|DJANGO_.*|PRIVATE_.*|HTTPS|ALLOWED_HOSTS")
    return {name: value for name, value in os.environ.items() if not ours.fullmatch(name)}


def _processes_that_mention(path: Path) -> list[str]:
    """All processes of the platform have the path in their arguments or, inherited, in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if str(path).encode() in text and int(process.name) != os.getpid():
            found.append(text[:200].decode(errors="replace"))
    return found
