"""Laws of a deadline from history."""

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.deadlines import DeadlineRule

lengths = st.integers(min_value=0, max_value=10_000).map(float)
histories = st.lists(lengths, max_size=30)
rules = st.builds(
    DeadlineRule,
    factor=st.integers(min_value=1, max_value=10).map(float),
    of=st.integers(min_value=1, max_value=20),
    at_least=st.integers(min_value=1, max_value=20),
    min_s=lengths,
)


@given(rule=rules, history=histories)
def test_there_is_none_exactly_until_there_is_enough_history(rule: DeadlineRule, history: list[float]) -> None:
    assert (rule.length_s(history) is None) == (min(len(history), rule.of) < rule.at_least)


@given(rule=rules, history=histories, slower=lengths)
def test_slower_runs_never_make_it_shorter(rule: DeadlineRule, history: list[float], slower: float) -> None:
    before, after = rule.length_s(history), rule.length_s([length + slower for length in history])

    assert before is None or (after is not None and after >= before >= rule.min_s)


@given(rule=rules, history=histories, older=histories)
def test_only_the_latest_runs_count(rule: DeadlineRule, history: list[float], older: list[float]) -> None:
    if len(history) >= rule.of:
        assert rule.length_s([*history, *older]) == rule.length_s(history)
