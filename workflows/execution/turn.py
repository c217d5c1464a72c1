"""How long a worker may go on with what it has: for a bounded time, and until something more urgent waits.

While nothing at all waits for it, it may go on beyond its time: giving work back would only send it through the broker.
Even that ends: the broker wants an answer to its message, and whoever stops the worker waits for the turn. With a slot
of a limit it may go on for a shorter time, though work of its own lane waits: behind that a slot would lie idle. The
first look always lets it go on, so that every turn brings its work at least one step further.
"""

import time

from workflows.execution import urgency

_BEYOND_S = 10.0
_WITH_SLOT_S = 3.0


class Turn:
    """One wake-up's turn. `rank` is the place of its lane in the order of urgency."""

    def __init__(self, *, seconds: float, rank: int) -> None:
        self._stop_at = time.monotonic() + seconds
        self._rank = rank
        self._has_begun = False
        self.is_preempted = False

    def is_over(self, *, has_slot: bool = False) -> bool:
        """This will tell whether the rest must be given back; `is_preempted` then says that it is for urgent work.

        `has_slot`: a slot of a limit would be given back, too, and wait in the hands of nobody.
        """
        if self._has_begun and urgency.waiting() < self._rank:
            self.is_preempted = True
            return True
        self._has_begun = True
        beyond_s = time.monotonic() - self._stop_at
        more_s = _BEYOND_S if urgency.is_alone() else _WITH_SLOT_S if has_slot else 0.0
        return beyond_s > more_s
