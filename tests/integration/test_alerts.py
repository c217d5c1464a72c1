"""Alerts on real signs: one row and one message for each thing that is wrong, and one when it is over."""

import contextlib
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from celery import current_app
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from kombu import Connection
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from audit import queries as audit
from automation import scheduling
from automation.alerting import declared, evaluating, rules
from automation.alerting.rule import Rule, RuleKind
from automation.errors import AlertRuleInvalid, AlertRuleNotYours
from automation.models import Alert, AlertRule, Schedule
from integrations import operations as integrations
from integrations import queries as connections
from integrations.connections import ConnectionSpec
from integrations.models import Notification
from integrations.notifications import delivery
from tests.flows.driving import TESTER, begin, call
from tests.support import admin_pages
from tests.support import api as callers
from workflows import operations
from workflows.models import Activation, Incident

pytestmark = pytest.mark.django_db
WORKFLOW = "alerting-shop"


@pytest.fixture(autouse=True)
def _calm() -> None:
    """Rules and signs of other tests are not looked at."""
    AlertRule.objects.all().delete()
    Activation.objects.all().delete()


def rule(**fields: object) -> Rule:
    """This will be a rule in force."""
    document = {"kind": "incident", "object": WORKFLOW, "tell": ["log operators"], **fields}
    made = rules.read_rule(f"rule-{uuid4().hex[:8]}", document)
    rules.set_rule(rule=made, actor=TESTER, now=timezone.now())
    return made


def incident(*, count: int = 1, state: str = "open") -> Incident:
    """This will be equal failures."""
    now = timezone.now()
    return Incident.objects.create(
        fingerprint=uuid4().hex[:16], workflow_name=WORKFLOW, step="pay", kind="unavailable", title="no answer",
        example="no answer", state=state, count=count, first_seen_at=now, last_seen_at=now, opened_at=now,
        changed_at=now,
    )  # fmt: skip


def messages(made: Rule) -> list[str]:
    """This will be the beginnings of what was written for a rule, in its order."""
    rows = Notification.objects.filter(data__rule=made.name).order_by("created_at")
    return [row.subject.split()[0] for row in rows]


def test_incident_is_told_once_again_after_a_while_and_when_it_is_over() -> None:
    made, now = rule(repeat="1h"), timezone.now()
    failing = incident()

    for minutes in (0, 1, 30, 61, 62):
        evaluating.evaluate(now=now + timedelta(minutes=minutes))
    assert messages(made) == ["ALERT", "STILL"]
    Incident.objects.filter(pk=failing.pk).update(state="resolved")
    evaluating.evaluate(now=now + timedelta(minutes=62, seconds=5))
    assert Alert.objects.get(rule=made.name).ended_at is None, "what comes and goes is one alert"
    evaluating.evaluate(now=now + timedelta(minutes=63))

    alert = Alert.objects.get(rule=made.name)
    assert messages(made) == ["ALERT", "STILL", "OVER"]
    assert alert.ended_at is not None
    assert alert.told == 2
    assert [event.kind for event in audit.events_for(str(alert.pk)) if event.subject_type == "alert"] == [
        "alert.begun",
        "alert.ended",
    ]
    Incident.objects.filter(pk=failing.pk).update(state="open")
    evaluating.evaluate(now=now + timedelta(minutes=64))
    assert messages(made) == ["ALERT", "STILL", "OVER", "ALERT"], "it happened again: a new alert"


def test_count_must_be_reached() -> None:
    made = rule(count=10)
    failing = incident(count=9)
    evaluating.evaluate(now=timezone.now())
    assert messages(made) == []
    Incident.objects.filter(pk=failing.pk).update(count=10)
    evaluating.evaluate(now=timezone.now())
    assert messages(made) == ["ALERT"]


def test_lane_limit_and_worker_are_seen() -> None:
    name = f"desk-{uuid4().hex[:8]}"
    operations.set_limit(name=name, capacity=1, description="", actor=TESTER, now=timezone.now())
    run_id = begin({"act": {**call("noop"), "queue": "io"}})
    old = timezone.now() - timedelta(minutes=10)
    Activation.objects.filter(run_id=run_id).update(due_at=old, dispatches=0)
    lane = rule(kind="lane", object="io", over="5m", tell=["log operators"])
    worker = rule(kind="worker", object="")
    limit = rule(kind="limit", object=name, over="5m")
    late = rule(kind="lane", object="io", over="1h")
    with Connection(current_app.conf.broker_url) as link:
        current_app.amqp.queues["io"](link.channel()).declare()

    evaluating.evaluate(now=timezone.now())
    assert messages(lane) == ["ALERT"]
    assert messages(worker) == ["ALERT"]
    assert messages(limit) == messages(late) == []
    Activation.objects.filter(run_id=run_id).update(wait_reason="limit", wait_object=name, created_at=old)
    evaluating.evaluate(now=timezone.now())
    assert messages(limit) == ["ALERT"]


def test_schedule_that_was_missed_and_trail_that_can_be_changed_are_seen() -> None:
    name = f"nightly-{uuid4().hex[:8]}"
    workflow = callers.published()
    scheduling.save_schedule(
        name=name, workflow=workflow, document={"cron": "0 3 * * *"}, actor=TESTER, now=timezone.now()
    )
    past = timezone.now() - timedelta(hours=1)
    Schedule.objects.filter(name=name).update(is_planned=True, next_due_at=past, next_fire_at=past)
    missed, unguarded = rule(kind="schedule", object=name), rule(kind="audit", object="")
    with connection.cursor() as cursor:
        cursor.execute("alter table audit_event_earlier disable trigger audit_event_append_only")

    evaluating.evaluate(now=timezone.now())

    assert messages(missed) == ["ALERT"]
    assert messages(unguarded) == ["ALERT"]


def test_rule_that_is_deleted_ends_its_alerts_in_silence() -> None:
    made = rule()
    incident()
    evaluating.evaluate(now=timezone.now())
    rules.delete_rule(name=made.name, actor=TESTER, now=timezone.now())
    evaluating.evaluate(now=timezone.now())

    assert messages(made) == ["ALERT"]
    assert Alert.objects.get(rule=made.name).ended_at is not None


def test_webhook_is_told_what_and_where(httpserver: HTTPServer) -> None:
    name = f"peer-{uuid4().hex[:8]}"
    spec = ConnectionSpec(name=name, base_url=httpserver.url_for("/hooks"), allow_private=True)
    integrations.save_connection(spec=spec, actor=TESTER, now=timezone.now(), correlation_id="")
    connections.forget_connections()
    httpserver.expect_oneshot_request("/hooks/42", method="POST").respond_with_data("ok")
    made = rule(tell=[f"webhook connection:{name}/42"])
    failing = incident()

    evaluating.evaluate(now=timezone.now())
    delivery.send_due(now=timezone.now() + timedelta(seconds=1))

    body = httpserver.log[0][0].get_json()
    assert body["rule"] == made.name
    assert body["object"] == failing.fingerprint
    assert body["state"] == "alert"
    assert f"/admin/workflows/incident/{failing.fingerprint}/change/" in body["text"]


def test_broker_that_is_away_neither_begins_nor_ends_alerts(settings: Settings) -> None:
    made, other = rule(kind="worker", object="io"), rule()
    incident()
    settings.BROKER_URL = "amqp://127.0.0.1:1//"

    evaluating.evaluate(now=timezone.now())

    assert messages(made) == []
    assert messages(other) == ["ALERT"], "the others are looked for all the same"


def test_file_makes_changes_and_deletes_its_rules(tmp_path: Path, settings: Settings) -> None:
    own, now = rule(), timezone.now()
    settings.ALERTS_FILE = str(tmp_path / "alerts.yaml")
    path = Path(settings.ALERTS_FILE)
    declared._read.clear()
    path.write_text("alerts: {shop: {kind: incident, tell: log ops}, wrong: {kind: nothing}}")
    assert declared.follow(now=now)
    assert not declared.follow(now=now), "it is followed when it changes"
    with pytest.raises(AlertRuleNotYours):
        rules.delete_rule(name="shop", actor=TESTER, now=now)
    declared.apply("alerts: {shop: {kind: lane, over: 5m, tell: [log ops]}}", now=now)
    assert AlertRule.objects.get(name="shop").rule() == Rule(
        name="shop", kind=RuleKind.LANE, over_s=300.0, tell=["log ops"]
    )
    declared.apply("no: mapping of alerts", now=now)
    assert AlertRule.objects.filter(name="shop").exists(), "a file that is wrong changes nothing"
    declared.apply("alerts: {}", now=now)
    declared._read.clear()

    assert list(AlertRule.objects.values_list("name", flat=True)) == [own.name]


def test_everything_that_is_wrong_with_a_rule_is_said_at_once() -> None:
    with pytest.raises(AlertRuleInvalid) as refused:
        rules.read_rule("a b", {"kind": "x", "count": -1, "over": "soon", "tell": ["pigeon me"], "more": 1})

    assert set(refused.value.problems) == {"name", "kind", "count", "over", "tell", "more"}


def test_api_sets_lists_and_deletes() -> None:
    api = callers.client("admin")
    path = f"/api/v1/alert-rules/rule-{uuid4().hex[:8]}"
    wanted = {"kind": "incident", "object": WORKFLOW, "tell": ["log operators"], "repeat": "4h"}

    assert api.put(path, wanted, format="json").status_code == 201
    assert api.put(path, wanted, format="json").status_code == 200
    assert api.get(path).json()["repeat_s"] == 14400
    assert api.put(path, {**wanted, "over": "soon"}, format="json").status_code == 422
    incident()
    evaluating.evaluate(now=timezone.now())
    listed = api.get("/api/v1/alerts?ended=false").json()["results"]
    assert [one["rule"] for one in listed] == [path.rpartition("/")[2]]
    assert callers.client("runs:read").delete(path).status_code == 403
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_command_sets_lists_and_deletes() -> None:
    def ask(*words: str) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            call_command("automation", "alerts", *words)
        return out.getvalue()

    ask("set", "shop", "--kind", "incident", "--object", WORKFLOW, "--tell", "log operators", "--repeat", "4h")
    incident()
    evaluating.evaluate(now=timezone.now())
    assert "no answer" in ask()
    assert "14400 s" in ask("rules")
    ask("delete", "shop")
    assert "shop" not in ask("rules")
    with pytest.raises(CommandError, match="there is no channel 'pigeon'"):
        ask("set", "shop", "--kind", "lane", "--tell", "pigeon me")


@pytest.fixture
def boss() -> Iterator[admin_pages.Browser]:
    """This will be a browser of somebody who may do everything."""
    return admin_pages.browser(admin_pages.user(is_superuser=True))


def test_admin_makes_a_rule_and_shows_what_it_found(boss: admin_pages.Browser) -> None:
    form = {"name": "shop", "kind": "incident", "object": WORKFLOW, "count": 1, "over_s": 0, "repeat_s": 60}
    page = reverse("admin:automation_alertrule_add")
    refused = boss.post(page, {**form, "tell": "pigeon me"})
    assert b"there is no channel" in refused.content
    boss.post(page, {**form, "tell": "log operators\n", "tells_end": "on", "is_enabled": "on"})
    incident()
    evaluating.evaluate(now=timezone.now())

    assert json.loads(json.dumps(AlertRule.objects.get(name="shop").tell)) == ["log operators"]
    listed = boss.get(reverse("admin:automation_alert_changelist")).content.decode()
    assert "no answer" in listed
    assert "firing" in listed
    alert = Alert.objects.get(rule="shop")
    assert boss.get(reverse("admin:automation_alert_change", args=[alert.pk])).status_code == 200
    assert b"log operators" in boss.get(reverse("admin:automation_alertrule_changelist")).content
