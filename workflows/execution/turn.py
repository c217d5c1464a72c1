"""How long a worker may go on with what it has: for a bounded time, and until something more urgent waits.

While nothing at all waits for it, it may go on beyond its time: giving work back would only send it through the broker.
Even that ends: the broker wants an answer to its message, and whoever stops the worker waits for the turn. The first
look always lets it go on, so that every turn brings its work at least one step further.
"""

import time

from workflows.execution import urgency

_BEYOND_S = 10.0


class Turn:
    """One wake-up's turn. `rank` is the place of its lane in the order of urgency."""

    def __init__(self, *, seconds: float, rank: int) -> None:
        self._stop_at = time.monotonic() + seconds
        self._rank = rank
        self._has_begun = False
        self.is_preempted = False

    def is_over(self) -> bool:
        """This will tell whether the rest must be given back; `is_preempted` then says that it is for urgent work."""
        if self._has_begun and urgency.waiting() < self._rank:
            self.is_preempted = True
            return True
        self._has_begun = True
        beyond_s = time.monotonic() - self._stop_at
        return beyond_s > 0 and not (urgency.is_alone() and beyond_s < _BEYOND_S)
