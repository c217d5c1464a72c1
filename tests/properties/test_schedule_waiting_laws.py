"""Laws of what a schedule waits for: what it names as the end of days off is the first due time that may start."""

from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from automation.schedule.decide import exclusion
from automation.schedule.exclusions import WEEKDAYS
from automation.schedule.preview import due_times
from automation.schedule.rule import read_rule
from automation.schedule.waiting import ScheduleWait, next_hold
from tests.properties.test_schedule_laws import crons, moments, zones

excluded = st.fixed_dictionaries(
    {
        "weekdays": st.lists(st.sampled_from(WEEKDAYS), max_size=6, unique=True),
        "dates": st.lists(st.integers(1, 28).map(lambda day: f"10-{day:02}"), max_size=5),
    }
)


@given(cron=crons, zone=zones, now=moments, exclude=excluded)
def test_no_due_time_before_the_named_one_may_start_and_that_one_may(
    cron: str, zone: ZoneInfo, now: datetime, exclude: dict[str, list[str]]
) -> None:
    rule = read_rule({"cron": cron, "timezone": str(zone), "exclude": exclude}, anchor=now)
    due_at = rule.next_after(now)
    assume(due_at is not None)
    assert due_at is not None

    hold = next_hold(rule, due_at=due_at, seed="one", days_off=(), now=now)

    if hold.reason is ScheduleWait.CALENDAR and hold.until is not None:
        until = min(hold.until, now + timedelta(days=40))  # far enough; a due time of each minute makes it long
        before = takewhile(lambda due: due < until, due_times(rule, after=now))
        assert all(exclusion(rule, due_at=due, days_off=()) for due in before)
        assert exclusion(rule, due_at=hold.until, days_off=()) is None
        assert rule.next_after(hold.until - timedelta(microseconds=1)) == hold.until
    else:
        assert (hold.reason is ScheduleWait.CALENDAR) == (exclusion(rule, due_at=due_at, days_off=()) is not None)


@given(cron=crons, zone=zones, now=moments, jitter=st.integers(0, 7200), later_s=st.integers(-7200, 7200))
def test_every_moment_has_the_reason_that_its_clock_gives(
    cron: str, zone: ZoneInfo, now: datetime, jitter: int, later_s: int
) -> None:
    rule = read_rule({"cron": cron, "timezone": str(zone), "jitter": jitter}, anchor=now)
    due_at = rule.next_after(now)
    assume(due_at is not None)
    assert due_at is not None
    seen_at, fire_at = due_at + timedelta(seconds=later_s), rule.fire_at(due_at, seed="one")

    hold = next_hold(rule, due_at=due_at, seed="one", days_off=(), now=seen_at)

    assert (hold.reason is ScheduleWait.SCHEDULER) == (seen_at >= fire_at)
    assert (hold.reason is ScheduleWait.JITTER) == (due_at <= seen_at < fire_at)
    assert (hold.until is None) == (hold.reason is ScheduleWait.SCHEDULER)
