"""How many activations a process carries at once; it knows nothing of what they are."""

import threading
import time


class PlacesClosed(Exception):
    """There is no place, and there will be none here: the process ends, or has been full for too long."""


class Places:
    """A bounded number of places, taken before work is claimed; safe to use from all threads."""

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        self._taken = 0
        self._waiting = 0
        self._is_closed = False
        self._changed = threading.Condition()

    @property
    def is_idle(self) -> bool:
        """This will tell whether no place is taken."""
        return self._taken == 0

    @property
    def are_wanted(self) -> bool:
        """This will tell whether somebody waits for a place."""
        return self._waiting > 0

    def take(self, count: int, *, limit_s: float) -> None:
        """This will take `count` places (at most `limit`) at once, when they are free.

        Raises PlacesClosed when that is not within `limit_s`, or never.
        """
        until = time.monotonic() + limit_s
        with self._changed:
            self._waiting += 1
            try:
                while not self._is_closed and self._taken + count > self.limit and time.monotonic() < until:
                    self._changed.wait(timeout=max(until - time.monotonic(), 0.0))
            finally:
                self._waiting -= 1
            if self._is_closed or self._taken + count > self.limit:
                raise PlacesClosed
            self._taken += count

    def free(self, count: int) -> None:
        """This will give places back."""
        with self._changed:
            self._taken -= count
            self._changed.notify_all()

    def close(self) -> None:
        """This will let nobody in any more, and send away who waits."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
