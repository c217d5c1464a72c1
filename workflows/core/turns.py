"""Whose turn it is when lanes share workers: weighted turns that the urgent win while they are rare; pure.

It is start-time fair queueing with one rule more: of lanes that may begin at the same virtual time, the most urgent
goes first. A lane that was idle begins now, so urgent work that comes now and then is always next; and while urgent
work is never idle, each other lane still gets its share, weight / sum of the weights.
"""

from collections.abc import Collection, Sequence


class Turns:
    """Turns of lanes, which are known by their rank: 0 is the most urgent. `weights` are in that order."""

    def __init__(self, weights: Sequence[int]) -> None:
        self._lengths = [1 / weight for weight in weights]
        self._begins = [0.0] * len(weights)
        self._now = 0.0

    def next_of(self, waiting: Collection[int]) -> int:
        """This will give the lane whose turn it is of those with work. Raises ValueError when there is none."""
        return min(waiting, key=lambda rank: (max(self._begins[rank], self._now), rank))

    def note(self, rank: int) -> None:
        """This will count a turn that a lane had."""
        self._now = max(self._begins[rank], self._now)
        self._begins[rank] = self._now + self._lengths[rank]
