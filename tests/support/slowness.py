"""Measures how much later than it should a busy machine does things, so that laws about time can allow for it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

_EVERY_S = 0.05
_STEPS = 10
"""So many times at least a process waits for a processor, the disk or the database, until it has taken work over."""


@contextmanager
def allowance() -> Iterator[Callable[[], float]]:
    """This will watch the machine; the function gives the seconds that anybody may have been late because of it.

    They are those by which a short sleep and one statement took longer than they should, at worst, for each step.
    """
    is_over = threading.Event()
    worst_s = [0.0]

    def watch() -> None:
        try:
            while not is_over.is_set():
                began = time.monotonic()
                time.sleep(_EVERY_S)
                with connection.cursor() as cursor:
                    cursor.execute("select 1")
                worst_s[0] = max(worst_s[0], time.monotonic() - began - _EVERY_S)
        finally:
            connection.close()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: _STEPS * worst_s[0]
    finally:
        is_over.set()
        watcher.join()
