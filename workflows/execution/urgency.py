"""Who has to make way: shared memory with one byte per child of a worker, and one writer, the main process.

The byte holds the rank of the more urgent lane that waits for this child, or NOTHING. A child reads its own between
steps. It says nothing about the past: a child that is killed leaves nothing behind, and the one that takes its place
reads what is true then. A process that is nobody's child reads the first. One more byte says whether any work at all
waits inside the worker for a child; until the main process has said that none does, some may.
"""

import mmap
from collections.abc import Collection

from billiard.process import current_process

NOTHING = 255
"""Nobody waits: larger than the rank of every lane."""

_CHILDREN = 4096
_LINE = _CHILDREN
_board = mmap.mmap(-1, _CHILDREN + 1)  # made before the worker forks: all its processes have the same pages
_board[:] = bytes([NOTHING]) * _CHILDREN + b"\1"


def show(rank: int, *, children: Collection[int]) -> None:
    """This will have these children make way for a lane of this rank."""
    for child in children:
        _board[child % _CHILDREN] = min(rank, NOTHING)


def waiting() -> int:
    """This will give the rank of the lane that waits for this process, or NOTHING."""
    return _board[getattr(current_process(), "index", 0) % _CHILDREN]


def show_line(*, is_empty: bool) -> None:
    """This will let every child know whether work of any lane waits for a child."""
    _board[_LINE] = not is_empty


def is_alone() -> bool:
    """This will tell whether nothing at all waits inside the worker, so that a child may go on beyond its turn."""
    return not _board[_LINE]
