"""Ends a function that runs longer than it may; it cannot end code that never returns to Python.

The alarm is raised in the main thread of a worker process. What ignores it is ended with its process by
`workflows.execution.leases`, and counts as lost.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class StepTimeout(BaseException):
    """The step's time is over. Not an Exception: a step's own handlers must not swallow it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """This will raise StepTimeout in the block after `seconds`; outside a main thread it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if signal.getsignal(signal.SIGALRM) is not _raise:
        signal.signal(signal.SIGALRM, _raise)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _raise(_signum: int, _frame: FrameType | None) -> None:
    raise StepTimeout
