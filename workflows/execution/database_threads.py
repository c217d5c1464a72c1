"""The threads of an event loop that speak with PostgreSQL, each on a connection of its own; it knows no statement."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connection

_P = ParamSpec("_P")
_T = TypeVar("_T")
_IDLE_S = 2.0


class DatabaseThreads(ThreadPoolExecutor):
    """An executor whose threads look at their connection after an error or a pause, before they use it again."""

    def __init__(self, *, size: int) -> None:
        super().__init__(max_workers=size, thread_name_prefix="database")
        self._size = size
        self._used = threading.local()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> "Future[_T]":
        """This will call a function in one of the threads."""
        return super().submit(self._checked, fn, *args, **kwargs)

    def close(self) -> None:
        """This will close all connections and end the threads."""
        together = threading.Barrier(self._size)  # so that each thread takes one
        for _ in range(self._size):
            super().submit(_close, together)
        self.shutdown()

    def _checked(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        was_idle = time.monotonic() - getattr(self._used, "at", 0.0) > _IDLE_S
        if was_idle or connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()
        try:
            return fn(*args, **kwargs)
        finally:
            self._used.at = time.monotonic()


def _close(together: threading.Barrier) -> None:
    together.wait(timeout=10)
    connection.close()
