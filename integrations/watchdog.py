"""Ends the wait of a library that has no deadline of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from integrations.endpoints import Deadline


@contextmanager
def watched(deadline: Deadline, *, break_off: Callable[[], None], grace_s: float = 0.0) -> Iterator[threading.Event]:
    """This will call `break_off` from another thread if the block still runs at its deadline.

    `break_off` shuts the socket down on which the block waits, and must not fail. The event tells whether it was
    called.
    """
    late = threading.Event()

    def act() -> None:
        late.set()
        break_off()

    timer = threading.Timer(deadline.left_s + grace_s, act)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
