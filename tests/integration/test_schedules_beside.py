"""Several schedulers at once, and django-celery-beat's tables; rows are committed for other processes to see."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule

from audit import queries as audit
from automation import schedule_queries, scheduling
from automation.errors import ScheduleInvalid
from automation.firing import periodic
from automation.firing.leading import Leadership
from automation.firing.loop import Loop
from automation.firing.watching import raise_alarms
from automation.models import Fire, Schedule
from tests.flows.driving import TESTER, aside, publish
from workflows.models import Run

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def workflow(database: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[str]:
    """This will be a workflow of one step; the schedules it gets end with the test."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]  # pytest-django's object
        Schedule.objects.filter(ended_at=None).update(ended_at=NOON, next_fire_at=None, is_planned=True)
        name = publish({"only": {"uses": "set", "with": {}}})
        yield name
        Schedule.objects.filter(ended_at=None).update(ended_at=NOON, next_fire_at=None, is_planned=True)
        PeriodicTask.objects.all().delete()


def test_schedulers_that_race_fire_each_due_time_once(workflow: str) -> None:
    schedules = [
        scheduling.save_schedule(
            name=f"race-{uuid4().hex[:12]}",
            workflow=workflow,
            document={"every": "1m", "overlap": "allow", "misfire": "all"},
            actor=TESTER,
            now=NOON,
        )[0]
        for _ in range(5)
    ]
    ready = threading.Barrier(3)

    def race() -> None:
        now = [NOON]
        loop = Loop(clock=lambda: now[0])
        for minute in range(1, 11):
            now[0] = NOON + timedelta(minutes=minute)
            ready.wait(timeout=120)
            while loop.round() + loop.look(now=now[0]):
                pass

    racers = [aside(race) for _ in range(3)]
    for racer in racers:
        racer.join(timeout=120)
    last = Loop(clock=lambda: NOON + timedelta(minutes=10))
    while last.round():  # what two held back from each other at the very end is left to the next round
        pass

    fires = Fire.objects.filter(schedule_id__in=[one.pk for one in schedules])
    assert fires.count() == 50
    assert set(fires.values_list("state", flat=True)) == {"started"}
    assert Run.objects.filter(workflow_name=workflow).count() == 50
    assert fires.values("run_id").distinct().count() == 50


def test_one_leads_and_another_when_it_has_let_go(workflow: str) -> None:
    first, second = Leadership(), Leadership()
    try:
        assert (first.is_held(), second.is_held(), first.is_held()) == (True, False, True)
        first.let_go()
        assert second.is_held()
    finally:
        first.let_go()
        second.let_go()


def test_leader_whose_connection_is_gone_leads_no_more(workflow: str) -> None:
    first, second = Leadership(), Leadership()
    try:
        assert first.is_held()
        with connection.cursor() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid, %s) from pg_locks"
                " where locktype = 'advisory' and objid = %s and granted",
                [10_000, 0x5C4ED01E],
            )
        assert not first.is_held()
        assert second.is_held()
    finally:
        first.let_go()
        second.let_go()


def test_due_time_that_nobody_records_is_an_alarm_once(workflow: str) -> None:
    schedule, _ = scheduling.save_schedule(
        name=f"late-{uuid4().hex[:12]}", workflow=workflow, document={"every": "10m"}, actor=TESTER, now=NOON
    )
    loop = Loop(clock=lambda: NOON)
    loop.round()
    due_at = NOON + timedelta(minutes=10)

    early = raise_alarms(now=due_at + timedelta(seconds=20))
    found = raise_alarms(now=due_at + timedelta(seconds=40))
    again = raise_alarms(now=due_at + timedelta(seconds=50))

    assert [one.name for one in early if one.schedule_id == schedule.pk] == []
    assert [one.due_at for one in found if one.schedule_id == schedule.pk] == [due_at]
    assert [one for one in again if one.schedule_id == schedule.pk] == []
    assert "schedule.missed" in audit.events_for(schedule.name).values_list("kind", flat=True)
    assert [one.name for one in schedule_queries.missed_fires(now=due_at + timedelta(hours=1))] == [schedule.name]


def test_periodic_tasks_keep_their_timing_and_their_switch(workflow: str) -> None:
    crontab = CrontabSchedule.objects.create(minute="30", hour="2", day_of_week="1-5", timezone="Europe/Berlin")
    task = PeriodicTask.objects.create(
        name=f"nightly {uuid4().hex[:6]}",
        task=periodic.START_TASK,
        crontab=crontab,
        kwargs=f'{{"workflow": "{workflow}"}}',
    )
    periodic.synchronise(now=NOON)
    schedule = Schedule.objects.get(periodic_task_id=task.pk)
    upcoming = [f"{one.local_at:%a %H:%M}" for one in schedule_queries.preview(schedule, now=NOON, count=6)]
    assert upcoming == ["Tue 02:30", "Wed 02:30", "Thu 02:30", "Fri 02:30", "Mon 02:30", "Tue 02:30"]
    assert schedule.workflow == workflow
    assert periodic.synchronise(now=NOON) == 0

    policies = {"misfire": "skip", "overlap": "buffer_one"}
    changed = scheduling.set_policies(schedule=schedule, policies=policies, actor=TESTER, now=NOON)
    with pytest.raises(ScheduleInvalid, match="no policy 'cron'"):
        scheduling.set_policies(schedule=schedule, policies={"cron": "* * * * *"}, actor=TESTER, now=NOON)
    assert (periodic.synchronise(now=NOON), changed.rule["misfire"]) == (0, "skip")

    task.enabled = False
    task.save()
    periodic.synchronise(now=NOON)
    schedule.refresh_from_db()
    assert (schedule.state, schedule.paused_reason) == ("paused", periodic.DISABLED)

    task.enabled = True
    task.save()
    crontab.hour = "4"
    crontab.save()
    periodic.synchronise(now=NOON)
    schedule.refresh_from_db()
    assert schedule.state == "active"
    assert f"{schedule_queries.preview(schedule, now=NOON)[0].local_at:%H:%M}" == "04:30"

    task.delete()
    periodic.synchronise(now=NOON)
    schedule.refresh_from_db()
    assert schedule.state == "ended"


def test_every_kind_of_timing_of_periodic_tasks_is_understood(workflow: str) -> None:
    clocked = ClockedSchedule.objects.create(clocked_time=NOON + timedelta(hours=3))
    interval = IntervalSchedule.objects.create(every=2, period="hours")
    solar = SolarSchedule.objects.create(event="sunset", latitude=52.52, longitude=13.405)
    start = NOON + timedelta(hours=1)
    tasks = [
        PeriodicTask.objects.create(name=f"clocked {uuid4().hex[:6]}", task="x", clocked=clocked, one_off=True),
        PeriodicTask.objects.create(name=f"interval {uuid4().hex[:6]}", task="x", interval=interval, start_time=start),
        PeriodicTask.objects.create(name=f"solar {uuid4().hex[:6]}", task="x", solar=solar),
    ]

    periodic.synchronise(now=NOON)

    found = {row.periodic_task_id: row for row in Schedule.objects.filter(source=Schedule.PERIODIC, ended_at=None)}
    first = [schedule_queries.preview(found[task.pk], now=NOON)[0].due_at for task in tasks]
    assert first[:2] == [clocked.clocked_time, start]
    assert abs(first[2] - datetime(2026, 6, 1, 19, 19, tzinfo=UTC)) < timedelta(minutes=3)
    assert {row.workflow for row in found.values()} == {""}
