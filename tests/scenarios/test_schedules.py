"""Schedules under loss: leaders killed as they fire, two that fire at once, a database that restarts."""

import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from django.db import connections
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from automation import scheduling
from automation.models import Fire, Schedule
from tests.flows.driving import TESTER, publish
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes, TestedProcess
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until
from workflows.models import Run

TAKEOVER_S = 5.0


@pytest.fixture(autouse=True)
def _alone(database: None) -> None:
    """Schedules that other tests left behind are nobody's work."""
    Schedule.objects.filter(ended_at=None).update(ended_at=timezone.now(), next_fire_at=None, is_planned=True)
    Fire.objects.all().delete()
    PeriodicTask.objects.all().delete()


def every_second() -> Schedule:
    """This will be a schedule that is due each second, whatever runs already."""
    workflow = publish({"only": {"uses": "set", "with": {}}})
    rule = {"cron": "* * * * * *", "overlap": "allow"}
    name = f"test-{uuid4().hex[:12]}"
    return scheduling.save_schedule(name=name, workflow=workflow, document=rule, actor=TESTER, now=timezone.now())[0]


def settled(schedule: Schedule, *, least: int) -> Callable[[], bool]:
    """This will be a condition: so many fires have their runs."""
    return lambda: Fire.objects.filter(schedule_id=schedule.pk, state="started").count() >= least


def leader(schedulers: list[TestedProcess]) -> TestedProcess:
    """This will be the scheduler that leads."""

    def leads(one: TestedProcess) -> bool:
        return one.is_running and one.log.rfind("schedules_leading") > one.log.rfind("schedules_following")

    return wait_until(lambda: next((one for one in schedulers if leads(one)), None), what="one leads")


def wait_for_phase(offset_s: float) -> None:
    """This will return at this part of a second."""
    while not 0 <= time.time() % 1 - offset_s < 0.003:
        time.sleep(0.0005)


def check_each_due_time_once(schedule: Schedule, *, since: datetime) -> list[int]:
    """This will be how late each fire since then was recorded; every second has one fire with one run of its own."""
    fires = list(Fire.objects.filter(schedule_id=schedule.pk).order_by("due_at"))
    assert {(later.due_at - before.due_at).total_seconds() for before, later in pairwise(fires)} == {1.0}
    started = [fire.run_id for fire in fires if fire.state == "started"]
    assert len(set(started)) == len(started)
    version = schedule.workflow
    assert Run.objects.filter(workflow_name=version).count() == len(started)
    return [fire.late_ms for fire in fires if fire.due_at > since]


def test_every_due_time_fires_once_though_leaders_are_killed_as_they_fire(worker_processes: Processes) -> None:
    """Killed just before the due time, and just after it: between the commits of the fire and of its run."""
    schedulers = [worker_processes.start_scheduler(env=HASTY, wait=False) for _ in range(3)]
    schedule = every_second()
    wait_until(settled(schedule, least=2), limit_s=30, what="it fires")
    since = timezone.now()

    for offset_s in (0.995, 0.004):
        victim = leader(schedulers)
        count = Fire.objects.filter(schedule_id=schedule.pk).count()
        wait_for_phase(offset_s)
        victim.kill()
        wait_until(settled(schedule, least=count + 3), what="somebody else fires")
    scheduling.pause(schedule=schedule, reason="the test is over", actor=TESTER, now=timezone.now())
    wait_until(lambda: not Fire.objects.filter(schedule_id=schedule.pk, state="due").exists(), what="all are settled")

    lateness = check_each_due_time_once(schedule, since=since)
    assert max(lateness) < TAKEOVER_S * 1000, lateness


def test_leader_that_hangs_is_not_waited_for(worker_processes: Processes) -> None:
    """It keeps its lock and does nothing: another one does the work without the lock, and it finds nothing to do."""
    schedulers = [worker_processes.start_scheduler(env=HASTY, wait=False) for _ in range(2)]
    schedule = every_second()
    wait_until(settled(schedule, least=2), limit_s=30, what="it fires")
    since = timezone.now()

    hung = leader(schedulers)
    wait_for_phase(0.6)  # between two due times it holds no locks of rows
    hung.pause()
    count = Fire.objects.filter(schedule_id=schedule.pk).count()
    wait_until(settled(schedule, least=count + 4), what="somebody else fires")
    hung.resume()
    wait_until(settled(schedule, least=count + 6), what="both are there")
    scheduling.pause(schedule=schedule, reason="the test is over", actor=TESTER, now=timezone.now())
    wait_until(lambda: not Fire.objects.filter(schedule_id=schedule.pk, state="due").exists(), what="all are settled")

    assert max(check_each_due_time_once(schedule, since=since)) < TAKEOVER_S * 1000


def test_schedules_go_on_after_the_database_was_killed(worker_processes: Processes, servers: RemoteServers) -> None:
    scheduler = worker_processes.start_scheduler(env=HASTY)
    schedule = every_second()
    wait_until(settled(schedule, least=2), what="it fires")
    since = timezone.now()

    servers.postgres.kill()
    servers.postgres.start()
    connections.close_all()
    count = Fire.objects.filter(schedule_id=schedule.pk).count()
    wait_until(settled(schedule, least=count + 2), what="it fires again")
    scheduling.pause(schedule=schedule, reason="the test is over", actor=TESTER, now=timezone.now())
    wait_until(lambda: not Fire.objects.filter(schedule_id=schedule.pk, state="due").exists(), what="all are settled")

    check_each_due_time_once(schedule, since=since)
    assert scheduler.is_running


def test_periodic_tasks_of_others_are_sent_and_those_of_ours_start_runs(
    worker_processes: Processes, tmp_path: Path
) -> None:
    workflow = publish({"only": {"uses": "set", "with": {}}})
    ledger = tmp_path / "sent"
    worker_processes.start_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY, wait=False)
    second, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
    other = PeriodicTask.objects.create(
        name="other", task="flows.note", interval=second, kwargs=orjson.dumps({"ledger": str(ledger)}).decode()
    )
    PeriodicTask.objects.create(
        name="ours",
        task="automation.start_workflow",
        interval=second,
        one_off=True,
        kwargs=orjson.dumps({"workflow": workflow, "input": {"a": 1}}).decode(),
    )

    wait_until(lambda: ledger.exists() and len(ledger.read_text().split()) >= 2, limit_s=40, what="messages came")
    wait_until(lambda: Run.objects.filter(workflow_name=workflow, state="succeeded").exists(), what="a run has ended")
    PeriodicTask.objects.filter(name="other").first().delete()  # type: ignore[union-attr]  # it is there

    ids = ledger.read_text().split()
    assert len(set(ids)) == len(ids)
    fires = Fire.objects.filter(schedule_id=Schedule.objects.get(name="periodic:other").pk)
    assert fires.filter(state="sent").count() >= 2
    ours = PeriodicTask.objects.get(name="ours")
    assert (ours.enabled, Run.objects.get(workflow_name=workflow).input) == (False, {"a": 1})
    assert other.total_run_count == 0
