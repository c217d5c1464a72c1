"""Laws of due times, for all rules and zones: each instant once, in order, and each wall time as its rule says."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from automation.schedule.cron import walls
from automation.schedule.decide import Act, Candidate, Cause, Surroundings, judge
from automation.schedule.preview import due_times
from automation.schedule.rule import ON_TIME, Busy, Misfire, read_rule
from automation.schedule.zones import Gap, Overlap, instants

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Casablanca",
    "Africa/Cairo",
    "UTC",
)
CHANGES = {
    "Europe/Berlin": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 10, 3, 15, 30, tzinfo=UTC), datetime(2026, 4, 4, 15, tzinfo=UTC)),
    "America/Santiago": (datetime(2026, 9, 6, 4, tzinfo=UTC), datetime(2026, 4, 5, 3, tzinfo=UTC)),
    "Africa/Casablanca": (datetime(2026, 3, 22, 2, tzinfo=UTC), datetime(2026, 2, 15, 2, tzinfo=UTC)),
}
"""Per zone a change forwards and one backwards."""

zones = st.sampled_from(ZONES).map(ZoneInfo)
minutes = st.integers(0, 59).map(str) | st.sampled_from(["*", "*/7", "*/20", "*/30", "0,15,45"])
hours = st.integers(0, 23).map(str) | st.sampled_from(["*", "*/2", "0-3", "1,2", "23,0"])
crons = st.builds(
    lambda minute, hour, day, weekday: f"{minute} {hour} {day} * {weekday}",
    minutes,
    hours,
    st.sampled_from(["*", "*", "1", "L", "1-7", "25-31"]),
    st.sampled_from(["*", "*", "SUN", "MON-FRI", "SUN#2", "7L"]),
)
moments = st.sampled_from([change for pair in CHANGES.values() for change in pair]).flatmap(
    lambda change: st.integers(-2 * 86_400, 86_400).map(lambda seconds: change + timedelta(seconds=seconds))
) | st.integers(0, 5 * 366 * 86_400).map(lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
rules = st.sampled_from(Gap), st.sampled_from(Overlap)


@given(cron=crons, zone=zones, after=moments, gap=rules[0], overlap=rules[1])
def test_instants_increase_and_none_comes_twice(
    cron: str, zone: ZoneInfo, after: datetime, gap: Gap, overlap: Overlap
) -> None:
    found = list(islice(instants(walls(cron), after=after, zone=zone, gap=gap, overlap=overlap), 12))

    assert all(before < later for before, later in pairwise([after, *found]))


@given(cron=crons, zone=zones, after=moments, gap=rules[0], overlap=rules[1])
def test_asking_again_from_any_due_time_gives_the_same_following_ones(
    cron: str, zone: ZoneInfo, after: datetime, gap: Gap, overlap: Overlap
) -> None:
    """What is planned after a restart is what would have been planned without one."""

    def walk(start: datetime, count: int) -> list[datetime]:
        return list(islice(instants(walls(cron), after=start, zone=zone, gap=gap, overlap=overlap), count))

    found = walk(after, 8)

    assert all(walk(one, 7 - index) == found[index + 1 :] for index, one in enumerate(found))


@given(cron=crons, zone=zones, after=moments, overlap=rules[1])
def test_every_instant_shows_a_wall_time_of_the_expression(
    cron: str, zone: ZoneInfo, after: datetime, overlap: Overlap
) -> None:
    for found in islice(instants(walls(cron), after=after, zone=zone, gap=Gap.SKIP, overlap=overlap), 8):
        wall = found.astimezone(zone).replace(tzinfo=None)
        assert walls(cron)(wall - timedelta(seconds=1)) == wall


@given(
    zone=st.sampled_from(sorted(CHANGES)), minute=st.integers(0, 59), hour=st.integers(0, 23), is_forward=st.booleans()
)
def test_daily_wall_time_is_due_once_on_every_day_by_default(
    zone: str, minute: int, hour: int, is_forward: bool
) -> None:
    change = CHANGES[zone][0 if is_forward else 1]
    first = (change - timedelta(days=3)).astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    rule = read_rule({"cron": f"{minute} {hour} * * *", "timezone": zone}, anchor=change)
    until = first + timedelta(days=6) - timedelta(seconds=1)

    found = due_times(rule, after=first - timedelta(microseconds=1), until=until)

    days = [due.astimezone(ZoneInfo(zone)).date() for due in found]
    assert days == [first.date() + timedelta(days=number) for number in range(6)]


@given(zone=st.sampled_from(sorted(CHANGES)), is_forward=st.booleans(), every=st.sampled_from([5, 10, 15, 30]))
def test_what_recurs_steadily_follows_real_time_through_a_change_by_default(
    zone: str, is_forward: bool, every: int
) -> None:
    change = CHANGES[zone][0 if is_forward else 1]
    rule = read_rule({"cron": f"*/{every} * * * *", "timezone": zone}, anchor=change)

    found = list(due_times(rule, after=change - timedelta(hours=4), until=change + timedelta(hours=4)))

    assert {later - before for before, later in pairwise(found)} == {timedelta(minutes=every)}


@given(zone=st.sampled_from(sorted(CHANGES)), gap=rules[0], overlap=rules[1], minute=st.integers(0, 59))
def test_wall_times_at_a_change_follow_the_written_rule(zone: str, gap: Gap, overlap: Overlap, minute: int) -> None:
    """Counted against the zone itself: how often does its clock show the wall time on the day of the change?"""
    for change in CHANGES[zone]:
        local = change.astimezone(ZoneInfo(zone))
        for hour in range(24):
            wall = datetime.combine(local.date(), datetime.min.time()).replace(hour=hour, minute=minute)
            shown = [
                one
                for one in {wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)}
                if one.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall
            ]
            expected = {0: int(gap is Gap.AFTER), 1: 1, 2: 1 if overlap is Overlap.ONCE else 2}[len(shown)]
            rule = read_rule(
                {
                    "cron": f"{minute} {hour} {wall.day} {wall.month} *",
                    "timezone": zone,
                    "dst": {"gap": gap.value, "overlap": overlap.value},
                },
                anchor=change,
            )
            found = list(due_times(rule, after=change - timedelta(days=3), until=change + timedelta(days=3)))
            assert len(found) == expected, (zone, wall)


@given(
    seconds=st.floats(1, 1e6),
    anchor=moments,
    after=moments,
)
def test_interval_is_due_at_whole_periods_from_its_anchor(seconds: float, anchor: datetime, after: datetime) -> None:
    rule = read_rule({"every": seconds}, anchor=anchor)

    first, second = islice(due_times(rule, after=after), 2)

    assert first > after
    assert first > anchor
    assert second - first == timedelta(seconds=seconds)
    assert (first - anchor) % timedelta(seconds=seconds) == timedelta()
    assert after < anchor or first - after <= timedelta(seconds=seconds)


@given(jitter=st.integers(1, 3600), seed=st.text(), due=moments)
def test_jitter_is_the_same_for_the_same_due_time_and_stays_below_its_bound(
    jitter: int, seed: str, due: datetime
) -> None:
    rule = read_rule({"every": 60, "jitter": jitter}, anchor=due)

    fires = {rule.fire_at(due, seed=seed) for _ in range(3)}

    (fire,) = fires
    assert due <= fire < due + timedelta(seconds=jitter)


@given(
    late_s=st.integers(0, 200_000),
    misfire=st.sampled_from(Misfire),
    busy=st.sampled_from(Busy),
    running=st.integers(0, 3),
    buffered=st.integers(0, 3),
    day=st.dates(date(2026, 1, 1), date(2026, 12, 31)),
)
def test_what_is_on_time_and_alone_always_starts_and_nothing_starts_beside_another_unless_allowed(
    late_s: int, misfire: Misfire, busy: Busy, running: int, buffered: int, day: date
) -> None:
    due = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
    now = due + timedelta(seconds=late_s)
    rule = read_rule({"cron": "0 8 * * *", "misfire": misfire.value, "overlap": busy.value}, anchor=due)
    fire = Candidate(due_at=due, fire_at=due, recorded_at=now, cause=Cause.SCHEDULE)

    verdict = judge(rule, fire=fire, around=Surroundings(running=running, buffered=buffered), now=now)

    if now - due <= ON_TIME and not running and not buffered:
        assert verdict.act is Act.START
    if verdict.act is Act.START and busy is not Busy.ALLOW:
        assert running == 0
        assert buffered == 0
    if now - due > rule.window or (misfire is Misfire.SKIP and now - due > ON_TIME):
        assert verdict.act is Act.SKIP
