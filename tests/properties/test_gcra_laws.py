"""What the cell rate algorithm promises for any rate and any arrivals."""

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.gcra import Rate, refused_for_s, take_turn

RATES = st.builds(
    Rate,
    limit=st.integers(1, 1000),
    period_s=st.floats(0.01, 100_000, allow_nan=False),
    burst=st.integers(1, 50),
)
ARRIVALS = st.lists(st.floats(0, 3, allow_nan=False), max_size=60)
"""Gaps between arrivals, in intervals of the rate."""


def begins(rate: Rate, gaps: list[float]) -> list[tuple[float, float]]:
    """This will give arrival and begin of each start of a throttle, both counted in intervals."""
    tat: float | None = None
    now, found = 0.0, []
    for gap in gaps:
        now += gap * rate.interval_s
        turn = take_turn(rate, tat=tat, now=now)
        tat = turn.tat
        found.append((now / rate.interval_s, (now + turn.delay_s) / rate.interval_s))
    return found


def accepted(rate: Rate, gaps: list[float]) -> list[float]:
    """This will give when a rate limit took a start, counted in intervals."""
    tat: float | None = None
    now, found = 0.0, []
    for gap in gaps:
        now += gap * rate.interval_s
        if refused_for_s(rate, tat=tat, now=now) is None:
            tat = take_turn(rate, tat=tat, now=now).tat
            found.append(now / rate.interval_s)
    return found


def most_in(times: list[float], *, window: float) -> int:
    """This will give how many of these times lie in any half-open window."""
    return max((sum(begin <= time < begin + window for time in times) for begin in times), default=0)


@given(RATES, ARRIVALS, st.integers(1, 40))
def test_no_window_sees_more_than_the_rate_and_one_burst(rate: Rate, gaps: list[float], window: int) -> None:
    for times in ([begin for _, begin in begins(rate, gaps)], accepted(rate, gaps)):
        assert most_in(times, window=window - 1e-6) <= window + rate.burst


@given(RATES, ARRIVALS)
def test_throttle_drops_nothing_keeps_the_order_and_waits_no_longer_than_the_line(
    rate: Rate, gaps: list[float]
) -> None:
    found = begins(rate, gaps)

    assert len(found) == len(gaps)
    assert [begin for _, begin in found] == sorted(begin for _, begin in found)
    for ahead, (arrival, begin) in enumerate(found):
        assert arrival <= begin <= arrival + ahead + 1e-6


@given(RATES, st.integers(1, 100))
def test_burst_begins_at_once_and_no_more(rate: Rate, number: int) -> None:
    waits = [begin > 1e-6 for _, begin in begins(rate, [0.0] * number)]

    assert waits == [position >= rate.burst for position in range(number)]


@given(RATES, ARRIVALS)
def test_refused_start_is_taken_after_the_time_it_was_told(rate: Rate, gaps: list[float]) -> None:
    tat: float | None = None
    now = 0.0
    for gap in gaps:
        now += gap * rate.interval_s
        wait_s = refused_for_s(rate, tat=tat, now=now)
        if wait_s is not None:
            later = refused_for_s(rate, tat=tat, now=now + wait_s)
            assert later is None or later < 1e-6 * (now + rate.period_s)
        else:
            tat = take_turn(rate, tat=tat, now=now).tat


@given(RATES, ARRIVALS)
def test_quiet_key_is_as_good_as_new(rate: Rate, gaps: list[float]) -> None:
    tat: float | None = None
    for _ in gaps:
        tat = take_turn(rate, tat=tat, now=0.0).tat

    assert take_turn(rate, tat=tat, now=tat or 0.0) == take_turn(rate, tat=None, now=tat or 0.0)
