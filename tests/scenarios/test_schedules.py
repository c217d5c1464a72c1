"""Schedules under loss: leaders killed as they fire, judge and pause, two at once, a database that restarts."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from django.db import connections, transaction
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from audit import queries as audit
from automation import scheduling
from automation.models import Backfill, Fire, Schedule
from automation.schedule.backfill import Order
from config.servers.guard import Guard
from tests.flows.driving import TESTER, call, publish
from tests.scenarios.killing import stage
from tests.support import slowness
from tests.support.processes import HASTY, Processes, TestedProcess
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until
from workflows.core.definition import JsonValue
from workflows.models import Run

TAKEOVER_S = 5.0
"""On a machine that has time. What this one was late is added, as it is measured meanwhile."""


@pytest.fixture(autouse=True)
def _alone(database: None) -> None:
    """Schedules that other tests left behind are nobody's work."""
    Schedule.objects.filter(ended_at=None).update(ended_at=timezone.now(), next_fire_at=None, is_planned=True)
    Fire.objects.all().delete()
    PeriodicTask.objects.all().delete()


@pytest.fixture(scope="module")
def crowd(database: None, guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Crowd"]:
    """This will be schedulers that the tests of the module share; a test kills some of them."""
    processes = Processes(directory=tmp_path_factory.mktemp("crowd"), guard=guard)
    yield Crowd(processes)
    processes.end()


class Crowd:
    """Schedulers and a worker; there are always as many as a test asks for."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._schedulers: list[TestedProcess] = []
        self._workers: list[TestedProcess] = []

    def schedulers(self, least: int) -> list[TestedProcess]:
        """This will be those that are alive, so many at least."""
        self._schedulers = [one for one in self._schedulers if one.is_running]
        missing = range(least - len(self._schedulers))
        self._schedulers += [self._processes.start_scheduler(env=HASTY, wait=False) for _ in missing]
        for one in self._schedulers:
            one.wait_for_log("scheduler_started", limit_s=120)
        return self._schedulers

    def has_worker(self) -> None:
        """This will have a worker be there."""
        self._workers = self._workers or [self._processes.start_worker(env=HASTY, wait=False)]


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


def end(schedule: Schedule) -> None:
    """This will let no other due time come, and wait until those there were are settled."""
    scheduling.pause(schedule=schedule, reason="the test is over", actor=TESTER, now=timezone.now())
    wait_until(lambda: not Fire.objects.filter(schedule_id=schedule.pk, state="due").exists(), what="all are settled")


def check_each_due_time_once(schedule: Schedule, *, since: datetime) -> list[int]:
    """This will be how late each fire since then was recorded; every second has one fire with one run of its own."""
    fires = list(Fire.objects.filter(schedule_id=schedule.pk).order_by("due_at"))
    assert {(later.due_at - before.due_at).total_seconds() for before, later in pairwise(fires)} == {1.0}
    started = [fire.run_id for fire in fires if fire.state == "started"]
    assert len(set(started)) == len(started)
    version = schedule.workflow
    assert Run.objects.filter(workflow_name=version).count() == len(started)
    return [fire.late_ms for fire in fires if fire.due_at > since]


def test_every_due_time_fires_once_though_leaders_are_killed_as_they_fire(crowd: Crowd) -> None:
    """Killed just before the due time, and just after it: between the commits of the fire and of its run."""
    schedulers = crowd.schedulers(3)
    schedule = every_second()
    wait_until(settled(schedule, least=2), what="it fires")
    since = timezone.now()

    with slowness.allowance() as allowed_s:
        for offset_s in (0.995, 0.004):
            victim = leader(schedulers)
            count = Fire.objects.filter(schedule_id=schedule.pk).count()
            wait_for_phase(offset_s)
            victim.kill()
            wait_until(settled(schedule, least=count + 3), what="somebody else fires")
    end(schedule)

    lateness = check_each_due_time_once(schedule, since=since)
    assert max(lateness) < (TAKEOVER_S + allowed_s()) * 1000, lateness


def save(workflow: str, *, now: datetime, **rule: JsonValue) -> Schedule:
    """This will save a schedule that is due every ten minutes, as if it were then."""
    document: dict[str, JsonValue] = {"every": "10m", **rule}
    name = f"test-{uuid4().hex[:12]}"
    return scheduling.save_schedule(name=name, workflow=workflow, document=document, actor=TESTER, now=now)[0]


def fates(schedule: Schedule) -> list[str]:
    """This will be what became of each due time, in their order; each has one fire, and each run belongs to one."""
    fires = list(Fire.objects.filter(schedule_id=schedule.pk, cause="schedule").order_by("due_at"))
    assert len({fire.due_at for fire in fires}) == len(fires)
    started = [fire.run_id for fire in fires if fire.state == "started"]
    keys = Run.objects.filter(start_key__contains=f"schedule:{schedule.pk}:")
    by_hand = Fire.objects.filter(schedule_id=schedule.pk, cause="by_hand").count()
    assert len(set(started)) == len(started) == keys.count() - by_hand
    return [fire.state for fire in fires]


def take_over(schedulers: list[TestedProcess], victim: TestedProcess) -> None:
    """This will return when another one leads."""
    assert leader(schedulers) is not victim


def test_what_was_missed_is_judged_once_though_its_judge_is_killed(crowd: Crowd, tmp_path: Path) -> None:
    """All that the killed leader had judged, each by its own rule, is in one transaction that is never committed."""
    schedulers = crowd.schedulers(2)
    workflow, past = publish({"rest": {"uses": "wait", "with": {"for": "1d"}}}), timezone.now() - timedelta(minutes=35)
    overlaps = ("skip", "buffer_one", "buffer_all", "cancel_other")
    busy = {
        overlap: save(workflow, now=past, overlap=overlap, misfire="all", start="2099-01-01") for overlap in overlaps
    }
    for one in busy.values():
        scheduling.trigger(schedule=one, actor=TESTER, now=timezone.now())
        wait_until(settled(one, least=1), what="a run is under way")

    with stage(tmp_path, is_kept=False) as on:
        with transaction.atomic():
            names = {one.name: overlap for overlap, one in busy.items()}
            for name, overlap in names.items():
                document = {"every": "10m", "overlap": overlap, "misfire": "all"}
                scheduling.save_schedule(name=name, workflow=workflow, document=document, actor=TESTER, now=past)
            late = {one: save(workflow, now=past, overlap="allow", misfire=one) for one in ("skip", "latest", "all")}
            on.stop("schedule.fired", busy["cancel_other"].name, cause="schedule")
        on.standstill.wait_for(*on.stops)
        judged = Fire.objects.filter(schedule_id__in=[one.pk for one in (*busy.values(), *late.values())])
        assert list(judged.filter(cause="schedule").values_list("state", flat=True)) == ["due"] * 21
        victim = leader(schedulers)
        on.kill(victim)
        take_over(schedulers, victim)
        wait_until(lambda: not judged.filter(state="due").exists(), what="all are judged")

    assert {overlap: fates(one) for overlap, one in busy.items()} == {
        "skip": ["skipped"] * 3,
        "buffer_one": ["buffered", "skipped", "skipped"],
        "buffer_all": ["buffered"] * 3,
        "cancel_other": ["started"] * 3,
    }
    assert {misfire: fates(one) for misfire, one in late.items()} == {
        "skip": ["skipped"] * 3,
        "latest": ["skipped", "skipped", "started"],
        "all": ["started"] * 3,
    }


def test_backfill_makes_up_for_each_due_time_once_though_its_leader_is_killed(crowd: Crowd, tmp_path: Path) -> None:
    schedulers, now = crowd.schedulers(2), timezone.now()
    crowd.has_worker()
    schedule = save(publish({"only": {"uses": "set", "with": {}}}), now=now, start="2020-01-01", end="2099-01-01")
    wish = scheduling.BackfillWish(starts_at=now - timedelta(hours=1), ends_at=now, order=Order.BACKWARD, parallel=2)
    with stage(tmp_path, is_kept=False) as on:
        with transaction.atomic():
            backfill = scheduling.start_backfill(schedule=schedule, wish=wish, actor=TESTER, now=now)
            on.stop("schedule.fired", schedule.name, cause="backfill")
        on.standstill.wait_for(*on.stops)
        victim = leader(schedulers)
        on.kill(victim)
        take_over(schedulers, victim)
        wait_until(lambda: Backfill.objects.get(id=backfill.pk).state == "done", what="it is done")

    fires = Fire.objects.filter(backfill_id=backfill.pk)
    assert sorted(fire.due_at.isoformat() for fire in fires) == sorted(backfill.dues)
    assert len({fire.run_id for fire in fires}) == Backfill.objects.get(id=backfill.pk).made == len(backfill.dues) == 6
    runs = list(Run.objects.filter(id__in=[fire.run_id for fire in fires]))
    assert {run.state for run in runs} == {"succeeded"}
    for run in runs:
        beside = [one for one in runs if one.created_at <= run.created_at and (one.ended_at or now) > run.created_at]
        assert len(beside) <= 2
    assert audit.events_for(schedule.name).filter(kind="backfill.done").count() == 1


def test_schedule_whose_runs_fail_pauses_once_though_its_leader_is_killed(crowd: Crowd, tmp_path: Path) -> None:
    schedulers, past = crowd.schedulers(2), timezone.now() - timedelta(minutes=35)
    crowd.has_worker()
    failing = publish({"only": call("fail_on", args={"value": 1, "bad": 1})})
    with stage(tmp_path, is_kept=True) as on:
        with transaction.atomic():
            schedule = save(failing, now=past, misfire="all", overlap="allow", pause_after=2)
            on.stop("schedule.paused", schedule.name)
        on.standstill.wait_for(*on.stops)
        victim = leader(schedulers)
        on.kill(victim)
        take_over(schedulers, victim)
        fires = Fire.objects.filter(schedule_id=schedule.pk)
        ended = fires.filter(run_state="failed")
        wait_until(lambda: ended.count() == 3, what="all runs are seen to have failed")

    schedule.refresh_from_db()
    assert (schedule.state, schedule.failures, fates(schedule)) == ("paused", 3, ["started"] * 3)
    assert audit.events_for(schedule.name).filter(kind="schedule.paused").count() == 1


def test_leader_that_hangs_is_not_waited_for(crowd: Crowd) -> None:
    """It keeps its lock and does nothing: another one does the work without the lock, and it finds nothing to do."""
    schedulers = crowd.schedulers(2)
    schedule = every_second()
    wait_until(settled(schedule, least=2), what="it fires")
    since = timezone.now()

    with slowness.allowance() as allowed_s:
        hung = leader(schedulers)
        wait_for_phase(0.6)  # between two due times it holds no locks of rows
        hung.pause()
        count = Fire.objects.filter(schedule_id=schedule.pk).count()
        wait_until(settled(schedule, least=count + 4), what="somebody else fires")
        hung.resume()
        wait_until(settled(schedule, least=count + 6), what="both are there")
    end(schedule)

    assert max(check_each_due_time_once(schedule, since=since)) < (TAKEOVER_S + allowed_s()) * 1000


def test_schedules_go_on_after_the_database_was_killed(crowd: Crowd, servers: RemoteServers) -> None:
    schedulers = crowd.schedulers(1)
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
    assert all(scheduler.is_running for scheduler in schedulers)


def test_periodic_tasks_of_others_are_sent_and_those_of_ours_start_runs(crowd: Crowd, tmp_path: Path) -> None:
    workflow = publish({"only": {"uses": "set", "with": {}}})
    ledger = tmp_path / "sent"
    crowd.has_worker()
    crowd.schedulers(1)
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

    wait_until(lambda: ledger.exists() and len(ledger.read_text().split()) >= 2, what="messages came")
    wait_until(lambda: Run.objects.filter(workflow_name=workflow, state="succeeded").exists(), what="a run has ended")
    PeriodicTask.objects.filter(name="other").first().delete()  # type: ignore[union-attr]  # it is there

    ids = ledger.read_text().split()
    assert len(set(ids)) == len(ids)
    fires = Fire.objects.filter(schedule_id=Schedule.objects.get(name="periodic:other").pk)
    assert fires.filter(state="sent").count() >= 2
    ours = PeriodicTask.objects.get(name="ours")
    assert (ours.enabled, Run.objects.get(workflow_name=workflow).input) == (False, {"a": 1})
    assert other.total_run_count == 0
