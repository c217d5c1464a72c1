"""When a worker gives back what it has: after a bounded time, and for what is more urgent; never before a step."""

from collections.abc import Iterator

import pytest

from workflows.execution import urgency
from workflows.execution.turn import Turn


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    yield
    urgency.show(urgency.NOTHING, children=[0])


def test_turn_makes_way_for_a_more_urgent_lane_after_its_first_step() -> None:
    turn = Turn(seconds=60, rank=2)
    urgency.show(0, children=[0])

    assert [turn.is_over(), turn.is_over(), turn.is_preempted] == [False, True, True]


@pytest.mark.parametrize("waiting", [2, 3, urgency.NOTHING])
def test_turn_makes_no_way_for_its_own_lane_or_a_less_urgent_one(waiting: int) -> None:
    turn = Turn(seconds=60, rank=2)
    urgency.show(waiting, children=[0])

    assert [turn.is_over(), turn.is_over(), turn.is_preempted] == [False, False, False]


def test_turn_ends_with_its_time() -> None:
    turn = Turn(seconds=-1, rank=2)

    assert (turn.is_over(), turn.is_preempted) == (True, False)
