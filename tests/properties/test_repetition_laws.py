"""Laws of `repeat_until`: pauses never shrink, never pass their cap, and are numbers however many rounds there were."""

import math

from hypothesis import example, given
from hypothesis import strategies as st

from workflows.core.durations import MAX_S
from workflows.core.repetition import Repetition, parse_repetition

rounds = st.integers(1, 1_000_000)


@st.composite
def repetitions(draw: st.DrawFn) -> Repetition:
    """This will draw a repetition as a definition may have it: its cap is not below its first pause."""
    every_s = draw(st.floats(0.001, 86_400.0))
    cap_s = draw(st.floats(every_s, MAX_S))
    factor = draw(st.floats(1.0, 100.0))
    return Repetition(condition="output", every_s=every_s, times=draw(st.integers(1, 1000)), factor=factor, cap_s=cap_s)


@given(repetition=repetitions(), done=rounds)
@example(repetition=Repetition(condition="output", every_s=0.001, times=2, factor=100.0), done=1_000_000)
def test_pause_is_between_the_first_one_and_the_cap(repetition: Repetition, done: int) -> None:
    pause_s = repetition.delay_s(done=done)

    assert math.isfinite(pause_s)
    assert min(repetition.every_s, repetition.cap_s) <= pause_s <= repetition.cap_s


@given(repetition=repetitions(), done=rounds, more=rounds)
def test_pauses_never_shrink(repetition: Repetition, done: int, more: int) -> None:
    assert repetition.delay_s(done=done + more) >= repetition.delay_s(done=done)


@given(repetition=repetitions())
def test_first_pause_is_the_one_that_was_written(repetition: Repetition) -> None:
    assert repetition.delay_s(done=1) == min(repetition.every_s, repetition.cap_s)


@given(every_s=st.floats(0.001, 3600.0), done=rounds)
def test_without_a_factor_all_pauses_are_equal(every_s: float, done: int) -> None:
    plain = parse_repetition({"every": every_s, "times": 3}, condition="output")

    assert (plain.times, plain.delay_s(done=done)) == (3, every_s)
