"""Workers and schedulers that die where people are asked, told and answer: each of it happens once."""

import re
from pathlib import Path
from threading import Event

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from pytest_httpserver import HTTPServer

from integrations.models import Notification
from tests.flows.driving import TESTER, aside, begin, trail, wait_for_end
from tests.scenarios.conftest import HASTY
from tests.support import people
from tests.support.admin_pages import Browser
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows import human_rights, operations
from workflows.core.voting import Choice
from workflows.models import Activation, HumanAnswer, HumanLink, HumanRequest, Step

ENV = {**HASTY, "NOTIFICATION_LEASE_S": "1", "NOTIFICATION_CHANNELS": "tests.flows.channel"}


def _hold(*, locked: Event, release: Event) -> None:
    """Nobody writes a notification until it is released."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("lock table automation_notification in share mode")
        locked.set()
        release.wait(120)


def _is_blocked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from pg_locks where not granted and relation = 'automation_notification'::regclass)"
        )
        return bool(cursor.fetchone()[0])


def test_worker_dies_while_it_asks_and_scheduler_after_it_told_and_the_link_decides_once(
    worker_processes: Processes, httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/").respond_with_data("")
    ada = people.user()
    User.objects.filter(pk=ada.pk).update(email=f"{httpserver.url_for('/')} {tmp_path / 'died'}")
    notify = [{"channel": "${{ 'deadly' }}", "on": ["opened"]}]
    steps = {"ok": {"uses": "approval", "with": {"users": [ada.username], "notify": notify}}}
    worker = worker_processes.start_worker(env=ENV)
    scheduler = worker_processes.start_scheduler(env=ENV)

    locked, release = Event(), Event()
    holder = aside(lambda: _hold(locked=locked, release=release))
    assert locked.wait(120)
    run_id = begin(steps)
    wait_until(_is_blocked, what="the worker has asked and is about to tell")
    worker.kill()
    release.set()
    holder.join(120)
    assert not HumanRequest.objects.filter(run_id=run_id).exists()

    worker_processes.start_worker(env=ENV, wait=False)
    wait_until(lambda: not scheduler.is_running, what="the scheduler has died after sending")
    worker_processes.start_scheduler(env=ENV, wait=False)
    sent = Notification.objects.filter(about=str(run_id), state="sent")
    wait_until(sent.exists, what="it is sent")

    texts = {request.get_data(as_text=True) for request, _ in httpserver.log}
    assert (len(httpserver.log), len(texts)) == (2, 1)
    (path,) = re.findall(r"https?://[^/]+(/answer/\S+)", texts.pop())
    assert [Browser().post(path, {"choice": "approve"}).status_code for _ in range(2)] == [303, 303]
    wait_for_end(run_id)
    assert HumanAnswer.objects.filter(run_id=run_id).count() == HumanLink.objects.filter(run_id=run_id).count() == 1
    assert trail(run_id).count("approval.requested") == trail(run_id).count("approval.told") == 1
    assert trail(run_id).count("approval.approved") == 1


def test_task_is_taken_handed_over_and_done_while_nobody_works(worker_processes: Processes) -> None:
    ada, eve = people.person(), people.person()
    worker = worker_processes.start_worker(env=HASTY, wait=False)
    scheduler = worker_processes.start_scheduler(env=HASTY)
    inputs = {"users": [ada.name], "due": "1s", "notify": [{"channel": "log", "recipient": "desk"}]}
    run_id = begin({"do": {"uses": "task", "with": inputs}})
    late_id = begin({"do": {"uses": "task", "with": inputs}})

    parked = Activation.objects.filter(run_id__in=(run_id, late_id), wait_reason="task")
    wait_until(lambda: parked.count() == 2, what="both are asked for")
    worker.kill()
    scheduler.kill()
    row = HumanRequest.objects.get(run_id=run_id)
    now = timezone.now()
    operations.claim(request_id=row.id, person=ada, actor=TESTER, now=now)
    handed = operations.Handover(taker=eve, via="test")
    operations.delegate(request_id=row.id, giver=ada, given=handed, actor=TESTER, now=now)
    row.refresh_from_db()
    assert human_rights.claimer_of(row) == eve.name
    given = operations.Answer(choice=Choice.COMPLETE, via="test")
    operations.answer(request_id=row.id, person=eve, given=given, actor=TESTER, now=now)
    worker_processes.start_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    wait_for_end(run_id)
    late = HumanRequest.objects.filter(run_id=late_id, overdue_at__isnull=False)
    wait_until(late.exists, what="it is overdue")
    operations.cancel_run(run_id=late_id, actor=TESTER, now=timezone.now())

    assert Step.objects.get(run_id=run_id, step="do").output["by"] == eve.name
    assert trail(run_id).count("task.completed") == 1
    assert trail(late_id).count("task.overdue") == trail(late_id).count("task.withdrawn") == 1
    told = Notification.objects.filter(about=str(late_id)).values_list("data__occasion", flat=True)
    assert sorted(told) == ["opened", "overdue"]
