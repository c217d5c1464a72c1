"""The limit on what waits in a lane: known without a count per request, and passed by little."""

import pytest

from workflows.errors import LaneFull
from workflows.operations.admission import Gate


class Lane:
    """A lane whose backlog is known, and how often it was counted."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.counts = 0
        self.now = 100.0

    def count(self, _lane: str, limit: int) -> int:
        """This will count no further than `limit`."""
        self.counts += 1
        return min(self.waiting, limit)

    def gate(self) -> Gate:
        """This will be a gate that has counted nothing yet."""
        return Gate(count=self.count, clock=lambda: self.now)


def is_admitted(gate: Gate, *, limit: int) -> bool:
    """This will tell whether one more may come in."""
    try:
        gate.admit("bulk", limit=limit)
    except LaneFull:
        return False
    return True


def test_empty_lane_is_counted_once_for_many_starts() -> None:
    lane = Lane(waiting=0)
    gate = lane.gate()

    for _ in range(1_000):
        gate.admit("bulk", limit=100_000)

    assert lane.counts == 1


def test_full_lane_refuses_without_counting_again_until_a_second_has_passed() -> None:
    lane = Lane(waiting=50)
    gate = lane.gate()
    for _ in range(3):
        with pytest.raises(LaneFull):
            gate.admit("bulk", limit=50)
    assert lane.counts == 1

    lane.waiting = 10
    lane.now += 1.1
    gate.admit("bulk", limit=50)

    assert lane.counts == 2


@pytest.mark.parametrize("limit", [1, 7, 100, 5_000])
def test_process_passes_the_limit_by_less_than_a_tenth(limit: int) -> None:
    lane = Lane(waiting=0)
    gate = lane.gate()

    while is_admitted(gate, limit=limit):
        lane.waiting += 1

    assert limit <= lane.waiting <= limit + max(1, limit // 10)
