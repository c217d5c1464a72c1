"""Laws of retention: nothing young, under way or held is decided to go, whatever the calendar."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from retention.core import policy
from retention.core.months import Month
from retention.core.policy import Facts, Verdict

INSTANTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  Hypothesis adds the zone
MONTHS = st.builds(Month, st.integers(2020, 2040), st.integers(1, 12))
KEPT_FOR = st.integers(0, 120)
FACTS = st.integers(0, 9).flatmap(
    lambda rows: st.builds(Facts, rows=st.just(rows), busy=st.integers(0, rows), kept=st.integers(0, rows))
)


@given(now=INSTANTS, month=MONTHS, months=KEPT_FOR, facts=FACTS)
def test_what_is_under_way_or_held_never_goes(now: datetime, month: Month, months: int, facts: Facts) -> None:
    verdict = policy.judge(ends_at=month.plus(1).begins_at, now=now, months=months, facts=facts)

    assert not (facts.busy and verdict.is_due)
    assert not (facts.kept and verdict is Verdict.DROP)
    assert verdict is not Verdict.THIN or 0 < facts.kept < facts.rows


@given(now=INSTANTS, months=KEPT_FOR, distance=st.integers(0, 200), facts=FACTS)
def test_no_month_goes_that_may_hold_something_of_the_last_months(
    now: datetime, months: int, distance: int, facts: Facts
) -> None:
    """Of `months` whole months before this one, of this one and of all to come."""
    month = Month.of(now).plus(distance - months)

    assert policy.judge(ends_at=month.plus(1).begins_at, now=now, months=months, facts=facts) is Verdict.YOUNG


@given(now=INSTANTS, months=st.integers(1, 120), distance=st.integers(1, 200))
def test_older_months_go_when_nothing_keeps_them(now: datetime, months: int, distance: int) -> None:
    month = Month.of(now).plus(-months - distance)
    facts = Facts(rows=3, busy=0, kept=0)

    assert policy.judge(ends_at=month.plus(1).begins_at, now=now, months=months, facts=facts) is Verdict.DROP


@given(now=INSTANTS, month=MONTHS, months=KEPT_FOR, facts=FACTS)
def test_nothing_is_left_to_do_once_it_is_done(now: datetime, month: Month, months: int, facts: Facts) -> None:
    end = month.plus(1).begins_at
    verdict = policy.judge(ends_at=end, now=now, months=months, facts=facts)
    if verdict is Verdict.THIN:
        rest = Facts(rows=facts.kept, busy=0, kept=facts.kept)
        assert policy.judge(ends_at=end, now=now, months=months, facts=rest) is Verdict.KEPT


@given(now=INSTANTS, later=INSTANTS, month=MONTHS, months=KEPT_FOR)
def test_what_has_expired_stays_expired(now: datetime, later: datetime, month: Month, months: int) -> None:
    earlier, later = sorted((now, later))
    end = month.plus(1).begins_at

    assert policy.is_expired(ends_at=end, now=earlier, months=months) <= policy.is_expired(
        ends_at=end, now=later, months=months
    )


@given(now=INSTANTS, months=KEPT_FOR)
def test_default_partition_never_goes(now: datetime, months: int) -> None:
    assert not policy.is_expired(ends_at=None, now=now, months=months)


@given(month=MONTHS, there=st.integers(-500, 500), back=st.integers(-500, 500))
def test_months_add_up(month: Month, there: int, back: int) -> None:
    assert month.plus(there).plus(back) == month.plus(there + back)
    assert (month.plus(there) > month) == (there > 0)
    assert Month.of(month.begins_at) == month
