"""Laws of canaries: a share is kept, a key stays where it is, and a larger share only adds."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.canary import Figures, Rule, figures_of, is_canary, is_to_be_rolled_back, may_be_rolled_back
from workflows.core.states import RunState

KEYS = st.text(max_size=40)
SALTS = st.text(max_size=20)
PERCENTS = st.floats(min_value=0, max_value=100, allow_nan=False)
COUNTS = st.integers(min_value=0, max_value=1_000)
MANY = 2_000
BEGAN_AT = datetime(2026, 1, 1, tzinfo=UTC)


@given(key=KEYS, salt=SALTS, shares=st.lists(PERCENTS, min_size=2, max_size=6))
def test_raising_the_share_never_moves_a_key_back(key: str, salt: str, shares: list[float]) -> None:
    chosen = [is_canary(key, salt=salt, percent=percent) for percent in sorted(shares)]

    assert chosen == sorted(chosen)


@given(key=KEYS, salt=SALTS)
def test_nobody_and_everybody_are_exact(key: str, salt: str) -> None:
    assert not is_canary(key, salt=salt, percent=0)
    assert is_canary(key, salt=salt, percent=100)


@given(salt=SALTS, percent=PERCENTS)
def test_share_of_many_keys_is_the_one_asked_for(salt: str, percent: float) -> None:
    share = percent / 100
    chosen = sum(is_canary(f"order-{number}", salt=salt, percent=percent) for number in range(MANY))

    deviation = (MANY * share * (1 - share)) ** 0.5
    assert abs(chosen - MANY * share) <= 6 * deviation + 1


@given(percent=st.floats(min_value=20, max_value=80))
def test_two_canaries_choose_independently(percent: float) -> None:
    keys = [f"order-{number}" for number in range(MANY)]
    first = {key for key in keys if is_canary(key, salt="1", percent=percent)}
    both = {key for key in first if is_canary(key, salt="2", percent=percent)}

    assert abs(len(both) / len(first) - percent / 100) < 0.15


@given(
    states=st.lists(st.sampled_from(list(RunState)), max_size=60),
    lengths=st.lists(st.integers(min_value=0, max_value=10_000), min_size=60, max_size=60),
)
def test_figures_add_up(states: list[RunState], lengths: list[int]) -> None:
    ends = [
        None if state is RunState.RUNNING else BEGAN_AT + timedelta(seconds=s)
        for state, s in zip(states, lengths, strict=False)
    ]
    found = figures_of((state, BEGAN_AT, ended_at) for state, ended_at in zip(states, ends, strict=True))

    assert found.runs == len(states) == found.running + found.succeeded + found.failed + found.cancelled
    if found.median_s is not None and found.p95_s is not None:
        assert found.median_s <= found.p95_s
    assert (found.median_s is None) == (found.succeeded == 0)


@given(succeeded=COUNTS, failed=COUNTS, more=st.integers(min_value=1), percent=st.floats(0.1, 100), after=COUNTS)
def test_rule_waits_for_its_runs_and_more_failures_never_save_a_canary(
    succeeded: int, failed: int, more: int, percent: float, after: int
) -> None:
    rule = Rule(percent, max(after, 1))
    figures = Figures(runs=succeeded + failed, succeeded=succeeded, failed=failed)
    worse = Figures(runs=succeeded + failed + more, succeeded=succeeded, failed=failed + more)

    assert not is_to_be_rolled_back(None, canary=figures)
    if succeeded + failed < rule.after_runs:
        assert not is_to_be_rolled_back(rule, canary=figures)
    if is_to_be_rolled_back(rule, canary=figures):
        assert is_to_be_rolled_back(rule, canary=worse)
        assert may_be_rolled_back(rule, failed=failed)
