"""The demo as a newcomer runs it: a process of its own, with its own servers and workers.

All tests use one folder of data after each other, which is made once.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

LIMIT_S = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This will be the folder of all data."""
    return tmp_path_factory.mktemp("var")


@pytest.fixture
def var(folder: Path) -> Iterator[Path]:
    """This will be that folder, which nobody uses any more when the test has ended."""
    yield folder
    assert left_behind(folder) == []


def demo(var: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "examples.orders.demo", "--var", str(var), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "120"},
    )


def test_example_demo_proves_all_figures_when_it_runs_and_runs_again(var: Path) -> None:
    for seed in ("1", "2"):
        process = demo(var, "--orders", "150", "--seed", seed)
        output, _ = process.communicate(timeout=LIMIT_S)

        assert process.returncode == 0, output
        assert "Nothing was lost and nothing was done twice." in output
        assert "Killed a worker" in output
        assert "WRONG" not in output


def test_example_demo_leaves_no_process_when_it_is_interrupted(var: Path) -> None:
    process = demo(var, "--orders", "5000")
    assert process.stdout is not None
    for line in process.stdout:
        if "runs" in line and "steps/s" in line:
            break
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 130, output
    assert "Interrupted" in output


def left_behind(var: Path) -> list[str]:
    """Command lines of processes that mention the folder and do not end soon."""
    end = time.monotonic() + 120
    while (found := mentioning(str(var))) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def mentioning(text: str) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if text in line]
