"""Reads from Linux how busy the machine is and what memory processes have; it changes nothing."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_PROC = Path("/proc")


def busy_share(*, seconds: float = 1.0) -> float:
    """This will watch for `seconds` what share of all processors is in use: what others do when we do nothing."""
    before = processor_ticks((_PROC / "stat").read_text())
    time.sleep(seconds)
    after = processor_ticks((_PROC / "stat").read_text())
    total = sum(after) - sum(before)
    return 0.0 if total <= 0 else 1 - (after[1] - before[1]) / total


def processor_ticks(text: str) -> tuple[int, int]:
    """This will read busy and idle time from /proc/stat, in ticks.

    >>> processor_ticks("cpu  10 0 5 80 5 0 0 0 0 0")
    (15, 85)
    """
    numbers = [int(word) for word in text.splitlines()[0].split()[1:9]]
    idle = numbers[3] + numbers[4]
    return sum(numbers) - idle, idle


def anonymous_bytes(pid: int) -> int:
    """This will give the memory that a process has written, also where a fork shares it; files are left out."""
    return memory_field((_PROC / str(pid) / "smaps_rollup").read_text(), name="Anonymous")


def memory_field(text: str, *, name: str) -> int:
    r"""This will read one field of a smaps file, in bytes. Raises KeyError when it is not there.

    >>> memory_field("Rss:  12 kB\nPss:   8 kB\n", name="Pss")
    8192
    """
    for line in text.splitlines():
        words = line.split()
        if words[0] == f"{name}:":
            return int(words[1]) * 1024
    raise KeyError(name)


def children_of(pid: int) -> Sequence[int]:
    """This will give the processes that a process has started and not outlived."""
    return sorted(_children(pid))


def _children(pid: int) -> Iterator[int]:
    for task in (_PROC / str(pid) / "task").iterdir():
        yield from (int(child) for child in (task / "children").read_text().split())
