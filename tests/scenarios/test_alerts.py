"""Two schedulers, one of them killed while it works: everybody is told once, by a real mail."""

from uuid import uuid4

from django.utils import timezone

from automation.alerting import rules
from automation.models import Alert, AlertRule
from tests.flows.driving import TESTER
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.smtp_server import MailServer
from tests.support.waiting import wait_until
from workflows.models import Incident


def test_alert_is_told_once_by_two_schedulers_and_after_one_was_killed(worker_processes: Processes) -> None:
    workflow = f"shop-{uuid4().hex[:8]}"
    rule = rules.read_rule(workflow, {"kind": "incident", "object": workflow, "tell": ["mail ops@example.com"]})
    with MailServer() as server:
        env = {**HASTY, "ALERTS_EVERY_S": "0.5", "EMAIL_URL": server.url}
        first = worker_processes.start_scheduler(env=env, wait=False)
        second = worker_processes.start_scheduler(env=env, wait=False)
        for scheduler in (first, second):
            scheduler.wait_for_log("scheduler_started")
        rules.set_rule(rule=rule, actor=TESTER, now=timezone.now())
        for number in range(2):
            _fail(workflow, title=f"failure {number}")
            wait_until(lambda number=number: len(_subjects(server, workflow)) > number, what="somebody is told")
            if number == 0:
                first.kill()
        seen = Alert.objects.filter(rule=workflow).order_by("-seen_at").first()
        assert seen is not None
        wait_until(
            lambda: Alert.objects.filter(rule=workflow, seen_at__gt=seen.seen_at).count() == 2,
            what="both were looked at again",
        )
        AlertRule.objects.filter(name=workflow).delete()

        assert [subject.rpartition(" ")[2] for subject in _subjects(server, workflow)] == ["0", "1"]


def _subjects(server: MailServer, workflow: str) -> list[str]:
    """Mails about other tests' workflows are nobody's matter here."""
    subjects = (" ".join(str(mail["Subject"]).split()) for mail in server.mails)
    return sorted(subject for subject in subjects if f"ALERT {workflow}:" in subject)


def _fail(workflow: str, *, title: str) -> None:
    now = timezone.now()
    Incident.objects.create(
        fingerprint=uuid4().hex[:16], workflow_name=workflow, step="pay", kind="unavailable", title=title,
        example=title, count=1, first_seen_at=now, last_seen_at=now, opened_at=now, changed_at=now,
    )  # fmt: skip
