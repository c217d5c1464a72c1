"""Laws of the turns of lanes that share workers, and of the window that keeps their queues short."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.turns import Turns
from workflows.dispatch.window import Look, next_size

WEIGHTS = st.lists(st.integers(1, 100), min_size=1, max_size=6)


@given(weights=WEIGHTS, idle=st.integers(0, 500), data=st.data())
def test_most_urgent_lane_is_next_when_it_was_idle(weights: list[int], idle: int, data: st.DataObject) -> None:
    """However long the others were served, and whatever they are owed."""
    turns = Turns(weights)
    others = range(1, len(weights))
    for _ in range(idle if others else 0):
        turns.note(turns.next_of(others))

    assert turns.next_of(range(len(weights))) == 0


@given(weights=WEIGHTS)
def test_lanes_that_always_have_work_get_their_shares(weights: list[int]) -> None:
    turns = Turns(weights)
    lanes = range(len(weights))
    rounds = 20
    served: Counter[int] = Counter()
    for _ in range(rounds * sum(weights)):
        lane = turns.next_of(lanes)
        turns.note(lane)
        served[lane] += 1

    assert all(abs(served[lane] - rounds * weight) <= len(weights) for lane, weight in enumerate(weights))


@given(waiting=st.lists(st.sets(st.integers(0, 3), min_size=1), max_size=50))
def test_turn_goes_to_a_lane_that_waits(waiting: list[set[int]]) -> None:
    turns = Turns([8, 4, 1, 2])
    for lanes in waiting:
        lane = turns.next_of(lanes)
        turns.note(lane)
        assert lane in lanes


@given(
    size=st.integers(1, 1000),
    drained=st.integers(-5, 5000),
    waiting=st.integers(0, 1000),
    seconds=st.floats(0, 60),
    consumers=st.integers(0, 200),
    cap=st.integers(1, 1000),
)
def test_window_stays_within_its_bounds(
    size: int, drained: int, waiting: int, seconds: float, consumers: int, cap: int
) -> None:
    look = Look(drained=drained, waiting=waiting, seconds=seconds, consumers=consumers)

    assert min(4, cap) <= next_size(size, look=look, seconds=0.3, cap=cap) <= cap


@given(size=st.integers(4, 200), rate=st.integers(20, 600))
def test_window_comes_to_what_is_taken_in_its_time(size: int, rate: int) -> None:
    for _ in range(30):
        look = Look(drained=rate // 10, waiting=1, seconds=0.1, consumers=1)
        size = next_size(size, look=look, seconds=0.3, cap=200)

    assert abs(size - min(200, max(4, (rate // 10) * 10 * 0.3))) <= 2
