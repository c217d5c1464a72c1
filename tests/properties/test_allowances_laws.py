"""Laws of the times a step has from when it is ready."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.allowances import Allowance, fate, latest_of, overrun, stood_still
from workflows.core.pausing import PauseRule, PauseScope, Standpoint

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
seconds = st.integers(min_value=1, max_value=10_000)
lengths = st.none() | seconds.map(float)
allowances = st.builds(Allowance, schedule_to_start_s=lengths, schedule_to_close_s=lengths)
instants = st.integers(min_value=0, max_value=20_000).map(lambda second: NOON + timedelta(seconds=second))


@given(allowance=allowances, has_begun=st.booleans(), earlier=instants, later=instants)
def test_what_is_over_stays_over(allowance: Allowance, has_begun: bool, earlier: datetime, later: datetime) -> None:
    latest = latest_of(allowance, ready_at=NOON)
    before, after = sorted((earlier, later))

    if overrun(latest, has_begun=has_begun, now=before) is not None:
        assert overrun(latest, has_begun=has_begun, now=after) is not None


@given(allowance=allowances, now=instants)
def test_beginning_never_brings_the_end_nearer(allowance: Allowance, now: datetime) -> None:
    latest = latest_of(allowance, ready_at=NOON)

    if overrun(latest, has_begun=True, now=now) is not None:
        assert overrun(latest, has_begun=False, now=now) is not None


@given(allowance=allowances, has_begun=st.booleans(), now=instants)
def test_step_is_over_exactly_when_the_time_it_was_told_has_come(
    allowance: Allowance, has_begun: bool, now: datetime
) -> None:
    latest = latest_of(allowance, ready_at=NOON)
    told = fate(latest, has_begun=has_begun)

    is_over = overrun(latest, has_begun=has_begun, now=now) is not None
    assert is_over == (told is not None and told.at <= now)


@given(
    spans=st.lists(st.tuples(instants, instants).map(lambda pair: tuple(sorted(pair))), min_size=1, max_size=5),
    ready_at=instants,
)
def test_pauses_in_any_number_add_at_most_the_time_during_which_one_was_in_force(
    spans: list[tuple[datetime, datetime]], ready_at: datetime
) -> None:
    """They end one after the other; no moment counts twice, and none counts before the step was ready."""
    at = Standpoint(run_id="r", workflow="w", lane="default", connection=None, created_at=NOON)
    rules = [
        (
            PauseRule(scope=PauseScope.WORKFLOW, name="w", reason="", paused_by="", paused_at=begun),
            ended,
        )
        for begun, ended in sorted(spans, key=lambda span: span[1])
    ]
    added = timedelta(0)
    for position, (rule, ended) in enumerate(rules):
        others = tuple(other for other, _ in rules[position + 1 :] if other.paused_at < ended)
        added += stood_still(rule, others=others, at=at, ready_at=ready_at, now=ended)

    covered = timedelta(0)
    until = ready_at
    for begun, ended in sorted(spans):
        covered += max(ended - max(begun, until), timedelta(0))
        until = max(until, ended)
    assert timedelta(0) <= added <= covered
