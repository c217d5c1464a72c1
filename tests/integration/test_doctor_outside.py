"""The doctor, and alerts that follow it, find what is wrong with webhooks, secrets and reconciliations."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from kombu import Connection

from automation.alerting import evaluating, rules
from automation.doctor import asking, asking_outside, diagnosis
from automation.intake import envelope, stores
from automation.models import (
    Alert,
    EventTrigger,
    Schedule,
    TriggerFiring,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookMessage,
    WebhookRefusal,
    WebhookSource,
)
from config.settings import BROKER_URL
from integrations.models import Notification
from reconciliation.jobs.rules import job_workflow
from reconciliation.models import Comparison, Job, JobVersion
from tests.flows.driving import TESTER
from tests.support.waiting import wait_until
from workflows.core import identity

pytestmark = pytest.mark.usefixtures("database")


def found() -> dict[str, set[str]]:
    """This will be where each kind of finding is found, asked of the real stores."""
    places: dict[str, set[str]] = {}
    for one in diagnosis.diagnose(asking.ask()):
        places.setdefault(one.code, set()).add(one.where)
    return places


@pytest.fixture
def name() -> Iterator[str]:
    """This will be the name of a source, an endpoint and a job of this test alone; they go with it."""
    word = f"doctor-{uuid4().hex[:8]}"
    yield word
    WebhookSource.objects.filter(name=word).delete()
    WebhookEndpoint.objects.filter(name=word).delete()
    WebhookDelivery.objects.filter(source=word).delete()
    EventTrigger.objects.filter(workflow=word).delete()
    Schedule.objects.filter(name=word).delete()


def source(name: str, *, secrets: list[str]) -> WebhookSource:
    """This will store a source."""
    return WebhookSource.objects.create(
        name=name, preset="bearer", secrets=secrets, updated_at=timezone.now(), updated_by="test"
    )


def delivery(name: str, *, state: str, minutes: int) -> None:
    """This will store a request that came some minutes ago."""
    at = timezone.now() - timedelta(minutes=minutes)
    WebhookDelivery.objects.create(
        id=identity.run_id(unix_ms=int(at.timestamp() * 1000), random_bytes=uuid4().bytes[:10]),
        source=name, state=state, received_at=at, headers={}, body=b"",
    )  # fmt: skip


def test_what_waits_for_a_receiver_is_found_with_its_age(name: str) -> None:
    now, days = timezone.now(), 40
    old, event = now - timedelta(days=days), identity.run_id(unix_ms=1, random_bytes=bytes(10))
    delivery(name, state="verified", minutes=days * 24 * 60)
    trigger = EventTrigger.objects.create(workflow=name, kind="event", place=0, type="t", created_at=old)
    TriggerFiring.objects.create(trigger=trigger, event=event, state="pending", created_at=old)
    endpoint = endpoint_of(name)
    WebhookMessage.objects.create(
        id=uuid4(), endpoint=endpoint, event=event, type="t", state="pending", due_at=old, created_at=old
    )
    places, before = found()["receiver-late"], asking_outside.outside(now=now).waiting_s
    WebhookDelivery.objects.filter(source=name).update(state="matched")
    TriggerFiring.objects.filter(trigger=trigger).update(state="started")
    WebhookMessage.objects.filter(endpoint=endpoint).update(state="delivered", ended_at=now)

    after = asking_outside.outside(now=now).waiting_s
    assert places == {"requests", "triggers", "webhooks"}
    for part in places:  # ours are the oldest of all, whatever other tests have left behind
        assert before[part] == pytest.approx(days * 86_400, abs=60)
        assert after.get(part, 0.0) < (days - 1) * 86_400


def endpoint_of(name: str) -> WebhookEndpoint:
    """This will store an endpoint."""
    return WebhookEndpoint.objects.create(
        name=name, url="https://example.com/", types=["*"], secrets=[], updated_at=timezone.now(), updated_by="test"
    )


def test_source_that_refuses_everything_is_found_until_it_takes_something(name: str) -> None:
    source(name, secrets=[])
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    WebhookRefusal.objects.create(source=name, reason="unverified", hour=hour, count=9, latest_at=hour)
    few = found()
    WebhookRefusal.objects.filter(source=name).update(count=10)
    many = found()
    delivery(name, state="matched", minutes=0)

    assert name not in few.get("source-refuses", ())
    assert name in many["source-refuses"]
    assert name not in found().get("source-refuses", ())


def test_endpoint_that_fails_and_one_that_was_given_up_are_found(name: str) -> None:
    row = endpoint_of(name)
    healthy = found()
    WebhookEndpoint.objects.filter(id=row.pk).update(failing_since=timezone.now() - timedelta(hours=2))
    failing = found()
    WebhookEndpoint.objects.filter(id=row.pk).update(
        is_enabled=False, disabled_at=timezone.now(), disabled_reason="410"
    )
    disabled = found()

    assert not {name} & (healthy.get("endpoint-failing", set()) | healthy.get("endpoint-disabled", set()))
    assert name in failing["endpoint-failing"]
    assert name in disabled["endpoint-disabled"]
    assert name not in disabled.get("endpoint-failing", ())


def test_secret_that_is_not_there_and_store_that_does_not_answer_are_found(
    name: str, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    variable = f"DOCTOR_{uuid4().hex[:8].upper()}"
    monkeypatch.setattr(settings, "VAULT_URL", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr(settings, "VAULT_TOKEN", "t")
    source(name, secrets=[f"env:{variable}", f"vault:secret/{name}#token"])
    before = found()
    monkeypatch.setenv(variable, "s3cret")
    WebhookSource.objects.filter(name=name).update(secrets=[f"env:{variable}"])
    after = found()

    assert f"env:{variable}" in before["secret-missing"]
    assert "vault" in before["secrets-away"]
    assert f"env:{variable}" not in after.get("secret-missing", ())


def test_reconciliation_is_overdue_until_a_comparison_has_ended_well(name: str) -> None:
    now, due_at = timezone.now(), timezone.now() - timedelta(hours=3)
    job = Job.objects.create(name=name, latest_number=1, created_at=now)
    version = JobVersion.objects.create(
        job=job, number=1, document={}, source="", content_hash="x", published_at=now, published_by="t"
    )
    Schedule.objects.create(
        name=name, source="definition", workflow=job_workflow(name), rule={}, created_at=due_at, created_by="t",
        is_planned=True, last_due_at=due_at,
    )  # fmt: skip
    missing = found()
    row = Comparison.objects.create(
        job=job, version=version, state="failed", started_by="t", started_at=now, ended_at=now, lease_until=now
    )
    failed = found()
    Comparison.objects.filter(id=row.pk).update(state="done")

    assert name in missing["reconciliation-overdue"]
    assert name in failed["reconciliation-overdue"]
    assert name not in found().get("reconciliation-overdue", ())
    Job.objects.filter(id=job.pk).update(is_enabled=False)


def test_queue_of_webhooks_without_a_receiver_is_found_and_alerted() -> None:
    document = {"kind": "finding", "object": "no-receiver", "tell": ["log operators"]}
    rule = rules.read_rule(f"rule-{uuid4().hex[:8]}", document)
    now = timezone.now()
    rules.set_rule(rule=rule, actor=TESTER, now=now)
    with Connection(BROKER_URL) as link, link.channel() as channel:
        stores.declare(channel)
        channel.queue_purge(envelope.QUEUE)
        link.Producer(channel).publish("x", routing_key=envelope.QUEUE, exchange="", delivery_mode=2)
        try:
            places = wait_until(lambda: found().get("no-receiver"), what="the doctor to find it")
            evaluating.evaluate(now=now)
        finally:
            channel.queue_purge(envelope.QUEUE)
    wait_until(lambda: "no-receiver" not in found() or None, what="the doctor to be content")
    evaluating.evaluate(now=now + timedelta(minutes=1))

    alert = Alert.objects.get(rule=rule.name)
    assert places == {envelope.QUEUE}
    assert (alert.object, alert.ended_at is not None) == (f"no-receiver {envelope.QUEUE}", True)
    assert "automation receiver" in alert.words, "an alert says how it is mended"
    subjects = (
        Notification.objects.filter(data__rule=rule.name).order_by("created_at").values_list("subject", flat=True)
    )
    assert [subject.split()[0] for subject in subjects] == ["ALERT", "OVER"]
    rules.delete_rule(name=rule.name, actor=TESTER, now=now)
