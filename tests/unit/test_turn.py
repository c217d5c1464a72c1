"""When a worker gives back what it has: after a bounded time, and for what is more urgent; never before a step."""

from collections.abc import Iterator

import pytest

from workflows.execution import urgency
from workflows.execution.turn import Turn


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    yield
    urgency.show(urgency.NOTHING, children=[0])
    urgency.show_line(is_empty=False)


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


def test_turn_goes_on_beyond_its_time_while_nothing_waits() -> None:
    turn = Turn(seconds=-1, rank=2)
    urgency.show_line(is_empty=True)
    alone = turn.is_over()
    urgency.show_line(is_empty=False)

    assert (alone, turn.is_over()) == (False, True)


@pytest.mark.parametrize(("beyond_s", "is_over"), [(1, False), (60, True)])
def test_turn_with_a_slot_goes_on_beyond_its_time_for_a_while(beyond_s: float, is_over: bool) -> None:
    turn = Turn(seconds=-beyond_s, rank=2)

    assert (turn.is_over(has_slot=True), turn.is_over()) == (is_over, True)


def test_turn_with_a_slot_makes_way_for_a_more_urgent_lane() -> None:
    turn = Turn(seconds=-1, rank=2)
    urgency.show(1, children=[0])

    assert [turn.is_over(has_slot=True), turn.is_over(has_slot=True), turn.is_preempted] == [False, True, True]


def test_turn_ends_at_last_even_when_nothing_waits() -> None:
    urgency.show_line(is_empty=True)

    assert Turn(seconds=-60, rank=2).is_over()


def test_turn_beyond_its_time_makes_way_for_a_more_urgent_lane() -> None:
    turn = Turn(seconds=-1, rank=2)
    urgency.show_line(is_empty=True)
    assert not turn.is_over()
    urgency.show(1, children=[0])

    assert [turn.is_over(), turn.is_preempted] == [True, True]
