"""Why a schedule starts nothing: the reason with its object, at every moment between two runs, on every surface."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import orjson
import pytest
from django.core.management import call_command
from django.utils import timezone

from automation import schedule_explaining, scheduling
from automation.models import Schedule
from automation.schedule.waiting import ScheduleWait
from tests.flows.driving import TESTER, work
from tests.integration.test_schedules_firing import NOON, FakeTime, clock, make, runs, workflow
from tests.support import admin_pages
from tests.support.api import client
from workflows import operations

__all__ = ["clock", "workflow"]
pytestmark = pytest.mark.django_db(transaction=False)


def why(schedule: Schedule, *, now: datetime = NOON) -> schedule_explaining.ScheduleExplanation:
    """This will explain a schedule as it stands."""
    schedule.refresh_from_db()
    return schedule_explaining.explain(schedule, now=now)


def minutes(count: int) -> datetime:
    """This will be so many minutes past noon."""
    return NOON + timedelta(minutes=count)


def test_due_time_to_come_is_named_and_a_plan_to_be_made_waits_for_a_scheduler(clock: FakeTime, workflow: str) -> None:
    schedule = make(workflow, every="10m")
    unplanned = why(schedule)
    clock.settle()

    (reason,) = why(schedule).reasons
    (late,) = why(schedule, now=minutes(11)).reasons

    assert unplanned.summary == "has something due that a scheduler has to take up"
    assert (reason.reason, reason.object_kind, reason.object_name) == ("time", "instant", "2026-06-01T12:10:00+00:00")
    assert (reason.due_at, reason.until) == (minutes(10), minutes(10))
    assert (late.reason, late.object_name, late.due_at) == ("scheduler", "scheduler", minutes(10))


def test_buffer_names_the_run_in_the_way_and_what_that_one_waits_for(clock: FakeTime, workflow: str) -> None:
    schedule = make(workflow, every="10m", overlap="buffer_all")
    clock.settle()
    for count in (10, 20, 30):
        clock.move(minutes(count))
    (run_id,) = runs(schedule)

    first, second, following = why(schedule, now=minutes(30)).reasons

    assert [(one.reason, one.object_kind, one.object_name, one.position, one.due_at) for one in (first, second)] == [
        (ScheduleWait.OVERLAP, "run", str(run_id), 1, minutes(20)),
        (ScheduleWait.OVERLAP, "run", str(run_id), 2, minutes(30)),
    ]
    assert first.ahead == [f"run {run_id}: only waits for a worker of the lane default"]
    assert following.reason == "time"
    assert following.ahead[0].endswith("if it is still under way then, the due time waits for its end")

    work(run_id)
    scheduling.pause(schedule=schedule, reason="stocktaking", actor=TESTER, now=clock.now)
    kept = why(schedule, now=minutes(30)).reasons
    assert [(one.reason, one.object_name, one.position) for one in kept] == [
        ("paused", str(TESTER), 1),
        ("paused", str(TESTER), 2),
        ("paused", str(TESTER), None),
    ]
    scheduling.resume(schedule=schedule, actor=TESTER, now=clock.now)
    released = why(schedule, now=minutes(30)).reasons
    assert [one.reason for one in released] == ["scheduler", "scheduler", "scheduler"]  # to be planned anew, too
    clock.settle()
    assert len(runs(schedule)) == 2


def test_days_off_name_their_calendar_and_the_first_due_time_after_them(clock: FakeTime, workflow: str) -> None:
    name = f"off-{uuid4().hex[:8]}"
    days = {"ranges": [{"from": "2026-06-02", "to": "2026-06-04"}]}
    scheduling.set_calendar(name=name, days=days, actor=TESTER, now=NOON)
    schedule = make(workflow, cron="*/30 6 * * *", calendars=[name], exclude={"weekdays": ["FRI", "SAT"]})
    never = make(workflow, cron="0 6 * * SAT", exclude={"weekdays": ["SAT"]})
    clock.settle()

    (reason,) = why(schedule).reasons

    assert (reason.reason, reason.object_kind, reason.object_name) == ("calendar", "calendar", name)
    assert (reason.due_at, reason.until) == (datetime(2026, 6, 2, 6, tzinfo=UTC), datetime(2026, 6, 7, 6, tzinfo=UTC))
    assert [(one.reason, one.object_name, one.until) for one in why(never).reasons] == [("calendar", "exclude", None)]


def test_jitter_start_pause_and_ends_are_told_apart(clock: FakeTime, workflow: str) -> None:
    jittered = make(workflow, every="10m", jitter="9m")
    later = make(workflow, every="10m", start="2026-06-02T00:00:00Z")
    done = make(workflow, at="2026-06-01T12:05:00Z", overlap="allow")
    clock.settle()
    clock.move(minutes(5))
    scheduling.end_schedule(schedule=make(workflow, every="1h"), actor=TESTER, now=NOON)
    ended = Schedule.objects.filter(ended_at__isnull=False, workflow=workflow).get()

    (reason,) = why(jittered, now=minutes(10)).reasons
    assert (reason.reason, reason.due_at) == ("jitter", minutes(10))
    assert reason.until is not None
    assert minutes(10) < reason.until < minutes(19)
    (reason,) = why(later).reasons
    assert (reason.reason, reason.object_name) == ("start", "2026-06-02T00:00:00+00:00")
    scheduling.pause(schedule=later, reason="stocktaking", actor=TESTER, now=NOON)
    (reason,) = why(later).reasons
    assert (reason.reason, reason.object_name, reason.says) == (
        "paused",
        str(TESTER),
        f"is paused by {TESTER}: stocktaking",
    )
    assert [one.reason for one in why(ended).reasons] == ["ended"]
    (reason,) = why(done, now=minutes(6)).reasons
    assert (reason.reason, reason.object_name) == ("exhausted", "at 2026-06-01T12:05:00Z")


def test_what_became_of_the_due_time_before_is_told(clock: FakeTime, workflow: str) -> None:
    skipping, refused = make(workflow, every="10m", overlap="skip"), make(workflow, every="10m")
    clock.settle()
    clock.move(minutes(10))
    operations.set_enabled(name=workflow, is_enabled=False, actor=TESTER, now=NOON)
    work(*runs(refused))
    clock.move(minutes(20))

    latest: Mapping[str, object] = {one.name: why(one).latest for one in (skipping, refused)}
    skipped, turned_down = latest[skipping.name], latest[refused.name]

    assert isinstance(skipped, schedule_explaining.Became)
    assert isinstance(turned_down, schedule_explaining.Became)
    assert (skipped.state, skipped.says) == ("skipped", "was skipped: an earlier run was under way")
    assert (turned_down.state, turned_down.says.partition(":")[0]) == ("refused", "was refused")


def test_backfill_at_its_bound_is_a_reason(clock: FakeTime, workflow: str) -> None:
    schedule = make(workflow, cron="0 6 * * *")
    wish = scheduling.BackfillWish(starts_at=NOON - timedelta(days=5), ends_at=NOON, parallel=2)
    backfill = scheduling.start_backfill(schedule=schedule, wish=wish, actor=TESTER, now=NOON)
    clock.settle()

    reason = why(schedule).reasons[0]

    assert (reason.reason, reason.object_kind, reason.object_name) == ("backfill", "backfill", str(backfill.pk))
    assert (reason.due_at, reason.ahead) == (
        datetime(2026, 5, 30, 6, tzinfo=UTC),
        ["it has begun 2 of 5 due times, 2 at a time"],
    )


def test_every_surface_tells_it(clock: FakeTime, workflow: str, capsys: pytest.CaptureFixture[str]) -> None:
    schedule = make(workflow, now=timezone.now(), every="10m")
    scheduling.pause(schedule=schedule, reason="stocktaking", actor=TESTER, now=timezone.now())

    told = client("runs:read").get(f"/api/v1/schedules/{schedule.pk}/why").json()
    call_command("automation", "why", schedule.name)
    in_words = capsys.readouterr().out
    call_command("automation", "why", str(schedule.pk), "--json")
    in_json = orjson.loads(capsys.readouterr().out)
    page = admin_pages.browser(admin_pages.user(is_superuser=True)).get(
        f"/admin/automation/schedule/{schedule.pk}/change/"
    )

    (reason,) = told["reasons"]
    assert (reason["reason"], reason["object_kind"], reason["object_name"]) == ("paused", "actor", str(TESTER))
    assert told["summary"] == in_json["summary"] == f"is paused by {TESTER}: stocktaking"
    assert "somebody resumes" in in_words
    assert "Why is nothing running?" in page.content.decode()
    assert "stocktaking" in page.content.decode()
