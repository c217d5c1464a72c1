"""When each child of a worker was last alive: shared memory with one instant per child, written by the child itself.

A child writes it from the thread that keeps its leases, so a step that waits does not stop it and a process that
stands still does. The main process reads it. Instants are of the monotonic clock, which all processes share.
"""

import mmap
import struct
import time

from billiard.process import current_process

_CHILDREN = 4096
_INSTANT = struct.Struct("d")
_board = mmap.mmap(-1, _CHILDREN * _INSTANT.size)  # made before the worker forks: all its processes have the same pages


def beat() -> None:
    """This will write down that this child is alive now."""
    _write(time.monotonic())


def forget() -> None:
    """This will begin anew: a child that takes the place of another has not been heard of yet."""
    _write(0.0)


def latest(child: int) -> float | None:
    """This will give when a child was last alive; None while it has never held work."""
    (instant,) = _INSTANT.unpack_from(_board, _offset(child))
    return instant or None


def _write(instant: float) -> None:
    _INSTANT.pack_into(_board, _offset(getattr(current_process(), "index", 0)), instant)


def _offset(child: int) -> int:
    return child % _CHILDREN * _INSTANT.size
