"""Schedules from the due time to the run: with an injected clock, against real PostgreSQL."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from audit import queries as audit
from automation import schedule_queries, schedule_store, scheduling
from automation.firing.loop import Loop
from automation.models import Fire, Schedule
from tests.flows.driving import TESTER, call, publish, work
from workflows import operations
from workflows.models import Run

pytestmark = pytest.mark.django_db(transaction=False)
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class FakeTime:
    """A clock that a test moves, and the loop that goes by it."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.loop = Loop(clock=lambda: self.now)

    def move(self, to: datetime) -> None:
        """This will let time pass until nothing is left to do."""
        self.now = to
        self.settle()

    def settle(self) -> None:
        """This will do rounds until there is nothing to do, a look included."""
        for _ in range(500):
            if not self.loop.round() + self.loop.look(now=self.now):
                return
        raise AssertionError("the loop does not come to rest")


@pytest.fixture
def clock() -> FakeTime:
    """This will be a clock that shows noon; other tests' schedules sleep."""
    Schedule.objects.all().update(is_planned=True, next_fire_at=None, next_due_at=None)
    Fire.objects.all().update(state="skipped", run_state="")
    return FakeTime(NOON)


@pytest.fixture
def workflow() -> str:
    """This will be a workflow of one step."""
    return publish({"only": {"uses": "set", "with": {}}})


def make(workflow: str, *, now: datetime = NOON, **rule: object) -> Schedule:
    """This will make a schedule with a name of its own."""
    schedule, _ = scheduling.save_schedule(
        name=f"test-{uuid4().hex[:12]}", workflow=workflow, document=rule, actor=TESTER, now=now
    )
    return schedule


def fires(schedule: Schedule) -> list[tuple[str, str, str]]:
    """This will give due time, state and reason of every fire, the earliest first."""
    rows = schedule_queries.fires_of(schedule).order_by("due_at")
    return [(f"{row.due_at:%H:%M}", row.state, row.reason) for row in rows]


def runs(schedule: Schedule) -> list[UUID]:
    """This will give the runs it started, the earliest due time first."""
    rows = Fire.objects.filter(schedule_id=schedule.pk, run_id__isnull=False).order_by("due_at")
    return [run_id for run_id in rows.values_list("run_id", flat=True) if run_id is not None]


def test_due_time_starts_one_run_and_says_so_in_the_trail(clock: FakeTime, workflow: str) -> None:
    schedule = make(workflow, every="10m", input={"day": "${{ schedule.date }}", "at": "${{ schedule.due_at }}"})
    clock.settle()
    clock.move(NOON + timedelta(minutes=10))
    clock.settle()

    (run_id,) = runs(schedule)
    run = Run.objects.get(id=run_id)
    assert fires(schedule) == [("12:10", "started", "")]
    assert run.input == {"day": "2026-06-01", "at": "2026-06-01T12:10:00+00:00"}
    assert run.started_by == f"schedule:{schedule.name}"
    kinds = list(audit.events_for(schedule.name).values_list("kind", flat=True))
    assert kinds == ["schedule.changed", "schedule.fired"]
    schedule.refresh_from_db()
    assert schedule.next_due_at == NOON + timedelta(minutes=20)


def test_same_due_time_never_fires_twice_even_when_it_is_planned_again(clock: FakeTime, workflow: str) -> None:
    schedule = make(workflow, every="10m", overlap="allow")
    clock.settle()
    clock.move(NOON + timedelta(minutes=10))
    Schedule.objects.filter(id=schedule.pk).update(last_due_at=NOON, is_planned=False, next_fire_at=None)

    clock.settle()

    assert fires(schedule) == [("12:10", "started", "")]
    assert len(runs(schedule)) == 1


@pytest.mark.parametrize(
    ("misfire", "expected"),
    [
        ("skip", [("12:10", "skipped", "misfire"), ("12:20", "skipped", "misfire"), ("12:30", "skipped", "misfire")]),
        ("latest", [("12:10", "skipped", "misfire"), ("12:20", "skipped", "misfire"), ("12:30", "started", "")]),
        ("all", [("12:10", "started", ""), ("12:20", "started", ""), ("12:30", "started", "")]),
    ],
)
def test_due_times_that_passed_unseen_follow_the_misfire_rule(
    clock: FakeTime, workflow: str, misfire: str, expected: list[tuple[str, str, str]]
) -> None:
    schedule = make(workflow, every="10m", misfire=misfire, overlap="allow")
    clock.settle()

    clock.move(NOON + timedelta(minutes=35))

    assert fires(schedule) == expected


def test_what_is_past_its_window_starts_nothing_and_is_not_a_row_each(clock: FakeTime, workflow: str) -> None:
    schedule = make(workflow, every="10m", misfire="all", window="25m", overlap="allow")
    clock.settle()

    clock.move(NOON + timedelta(hours=2, minutes=5))

    assert fires(schedule) == [
        ("12:10", "skipped", "window"),  # this one was planned
        ("12:20", "skipped", "window"),  # and this one stands for all the others
        ("13:50", "started", ""),
        ("14:00", "started", ""),
    ]


def overlapping(clock: FakeTime, workflow: str, *, overlap: str) -> Schedule:
    """This will have a schedule be due three times while its first run is under way."""
    schedule = make(workflow, every="10m", overlap=overlap)
    clock.settle()
    for minutes in (10, 20, 30):
        clock.move(NOON + timedelta(minutes=minutes))
    return schedule


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("skip", ["started", "skipped", "skipped"]),
        ("buffer_one", ["started", "buffered", "skipped"]),
        ("buffer_all", ["started", "buffered", "buffered"]),
        ("cancel_other", ["started", "started", "started"]),
        ("allow", ["started", "started", "started"]),
    ],
)
def test_overlap_rule_decides_while_a_run_is_under_way(
    clock: FakeTime, workflow: str, overlap: str, expected: list[str]
) -> None:
    schedule = overlapping(clock, workflow, overlap=overlap)

    assert [state for _, state, _ in fires(schedule)] == expected
    running = Run.objects.filter(id__in=runs(schedule), state="running").count()
    assert running == (3 if overlap == "allow" else 1)


def test_buffered_fires_start_one_after_the_other(clock: FakeTime, workflow: str) -> None:
    schedule = overlapping(clock, workflow, overlap="buffer_all")
    for number in (1, 2, 3):
        assert len(runs(schedule)) == number
        work(*runs(schedule))
        clock.settle()

    assert [state for _, state, _ in fires(schedule)] == ["started"] * 3
    assert set(Fire.objects.filter(schedule_id=schedule.pk).values_list("run_state", flat=True)) == {"succeeded"}


def test_run_that_cannot_start_is_a_refused_fire_and_holds_up_nobody(clock: FakeTime, workflow: str) -> None:
    other = publish({"only": {"uses": "set", "with": {}}}, input={"type": "object"})
    wrong, right = make(other, every="10m"), make(workflow, every="10m")
    disabled = make(publish({"only": {"uses": "set", "with": {}}}), every="10m")
    operations.set_enabled(name=disabled.workflow, is_enabled=False, actor=TESTER, now=NOON)
    clock.settle()

    clock.move(NOON + timedelta(minutes=10))

    assert fires(wrong) == [("12:10", "refused", "refused")]
    assert "must be a mapping" in Fire.objects.get(schedule_id=wrong.pk).detail
    assert fires(disabled) == [("12:10", "refused", "refused")]
    assert fires(right) == [("12:10", "started", "")]


def test_days_off_are_skipped_by_name(clock: FakeTime, workflow: str) -> None:
    name = f"off-{uuid4().hex[:8]}"
    scheduling.set_calendar(name=name, days={"dates": ["2026-06-02"]}, actor=TESTER, now=NOON)
    schedule = make(workflow, cron="0 6 * * *", calendars=[name], exclude={"weekdays": ["WED"]}, overlap="allow")
    clock.settle()
    for day in (2, 3, 4):
        clock.move(datetime(2026, 6, day, 6, 0, tzinfo=UTC))

    rows = Fire.objects.filter(schedule_id=schedule.pk).order_by("due_at").values_list("state", "reason", "detail")
    assert list(rows) == [("skipped", "calendar", name), ("skipped", "calendar", "exclude"), ("started", "", "")]


def test_failed_runs_in_a_row_pause_it(clock: FakeTime) -> None:
    failing = publish({"only": call("fail_on", args={"value": 1, "bad": 1})})
    schedule = make(failing, every="10m", pause_after=2)
    clock.settle()
    for minutes in (10, 20):
        clock.move(NOON + timedelta(minutes=minutes))
        work(*runs(schedule))
        clock.settle()
    clock.move(NOON + timedelta(minutes=30))

    schedule.refresh_from_db()
    assert (schedule.state, schedule.paused_reason) == ("paused", "2 runs in a row failed")
    assert len(fires(schedule)) == 2


def test_pause_leaves_out_what_falls_into_it(clock: FakeTime, workflow: str) -> None:
    schedule = make(workflow, every="10m")
    clock.settle()
    scheduling.pause(schedule=schedule, reason="stocktaking", actor=TESTER, now=clock.now)
    clock.move(NOON + timedelta(minutes=25))
    scheduling.resume(schedule=schedule, actor=TESTER, now=clock.now)
    clock.move(NOON + timedelta(minutes=30))

    assert fires(schedule) == [("12:30", "started", "")]


def test_trigger_by_hand_fires_now_whatever_the_calendar_says(clock: FakeTime, workflow: str) -> None:
    schedule = make(workflow, every="1d", exclude={"weekdays": ["MON"]})
    clock.settle()

    scheduling.trigger(schedule=schedule, actor=TESTER, now=NOON + timedelta(seconds=1))
    clock.settle()

    assert fires(schedule) == [("12:00", "started", "")]


def test_recorded_fire_survives_a_death_before_its_run(clock: FakeTime, workflow: str) -> None:
    """The scheduler dies between the commit of the fire and the start of its run; another one goes on."""
    schedule = make(workflow, every="10m")
    clock.settle()
    clock.now = NOON + timedelta(minutes=10)
    schedule_store.record_fires(now=clock.now, recorded_at=clock.now, most=10)
    assert fires(schedule) == [("12:10", "due", "")]

    FakeTime(clock.now).settle()

    assert fires(schedule) == [("12:10", "started", "")]


def test_clock_change_forward_and_back_fires_a_daily_schedule_once_a_day(clock: FakeTime, workflow: str) -> None:
    zone = {"timezone": "Europe/Berlin", "overlap": "allow"}
    spring = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    schedule = make(workflow, now=spring, cron="30 2 * * *", **zone)
    clock.now = spring
    clock.settle()
    for hours in range(48):
        clock.move(spring + timedelta(hours=hours, minutes=30))
    assert fires(schedule) == [("01:00", "started", ""), ("00:30", "started", "")]

    autumn = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    later = make(workflow, now=autumn, cron="30 2 * * *", **zone)
    Schedule.objects.filter(id=schedule.pk).update(ended_at=autumn, next_fire_at=None)
    clock.move(autumn)
    for hours in range(48):
        clock.move(autumn + timedelta(hours=hours, minutes=30))
    assert fires(later) == [("00:30", "started", ""), ("01:30", "started", "")]
