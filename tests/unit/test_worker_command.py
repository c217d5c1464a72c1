"""The operator's `automation worker`: the right pool and lanes, and one line for what is wrong."""

import itertools
import os
import sys

import pytest
from django.core.management import CommandError, call_command

Started = list[tuple[list[str], dict[str, str]]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """This will be what the command would have become."""
    calls: Started = []

    def execve(path: str, arguments: list[str], environment: dict[str, str]) -> None:
        assert path == sys.executable
        calls.append((arguments, environment))

    monkeypatch.setattr(os, "execve", execve)
    return calls


def options(command: list[str]) -> dict[str, str]:
    """This will give the options of a Celery worker by name."""
    return dict(itertools.pairwise(command))


def test_worker_reads_all_lanes_in_processes_unless_told_otherwise(started: Started) -> None:
    call_command("automation", "worker")
    call_command("automation", "worker", "--lanes", "critical,bulk", "--processes", "3")

    every, some = (options(command) for command, _ in started)
    assert (every["-P"], every["-Q"]) == ("prefork", "critical,default,bulk,io")
    assert (some["-Q"], some["-c"]) == ("critical,bulk", "3")


def test_io_worker_reads_its_lane_on_threads_and_carries_as_many_as_told(started: Started) -> None:
    call_command("automation", "worker", "--io", "--concurrency", "300")

    ((command, environment),) = started
    assert (options(command)["-P"], options(command)["-Q"]) == ("threads", "io")
    assert environment["IO_CONCURRENCY"] == "300"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--lanes", "fast"], "there is no lane fast: known are critical, default, bulk, io"),
        (["--lanes", ","], "name one lane or more"),
        (["--io", "--processes", "2"], "use --concurrency"),
        (["--concurrency", "5"], "--concurrency needs --io"),
        (["--io", "--concurrency", "0"], "'0' is not a number of 1 or more"),
    ],
)
def test_worker_says_what_is_wrong_and_starts_nothing(started: Started, arguments: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem) as refusal:
        call_command("automation", "worker", *arguments)

    assert refusal.value.returncode == 2
    assert started == []
