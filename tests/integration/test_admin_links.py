"""The admin's pages lead to each other, speak words, and read lists in as many statements as ever."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_httpserver import HTTPServer

from automation.inbound import replaying
from automation.models import EventTrigger, WebhookDelivery, WebhookMessage, WebhookRefusal, WebhookSource
from integrations import secret_operations
from integrations.models import Notification
from reconciliation.models import Comparison, Job
from tests.flows import driving
from tests.flows.driving import TESTER
from tests.integration.test_webhooks import publish, receive, save
from tests.support import admin_pages, api, hooks
from tests.support.calling import call_of, charge, shop_at
from workflows.models import EventWait, Run

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def staff() -> Client:
    """This will be the browser of somebody who may do everything."""
    return admin_pages.browser(admin_pages.user(is_superuser=True))


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This will be a source of this test alone."""
    monkeypatch.setenv("TEST_HOOK_SECRET", "hush")
    name = f"hub-{uuid4().hex[:12]}"
    save(name)
    yield name
    WebhookSource.objects.filter(name=name).delete()


def page(staff: Client, name: str, key: object) -> str:
    """This will be the page of a row."""
    return staff.get(reverse(f"admin:{name}_change", args=(key,))).content.decode()


def listed(staff: Client, name: str, **query: str) -> str:
    """This will be a list."""
    return staff.get(reverse(f"admin:{name}_changelist"), query).content.decode()


def href(name: str, key: object) -> str:
    """This will be a link to the page of a row."""
    return f'href="{reverse(f"admin:{name}_change", args=(key,))}"'


def statements(staff: Client, name: str, **query: str) -> int:
    """This will count what reading a list costs."""
    with CaptureQueriesContext(connection) as captured:
        listed(staff, name, **query)
    return len(captured)


def test_webhook_event_run_and_message_lead_to_each_other(staff: Client, source: str) -> None:
    kind = f"push-{uuid4().hex[:8]}"
    workflow = publish({"webhook": {"source": source, "event": kind}})
    endpoint = {"url": "https://partner.example/in", "types": [kind], "secrets": ["env:TEST_HOOK_SECRET"]}
    api.client("admin").put(f"/api/v1/webhook-endpoints/out-{source}", endpoint, format="json")
    first = receive(source, b"{}", delivery=uuid4().hex, event=kind)
    hooks.receive_all()
    (again,) = replaying.replay([first], actor=TESTER, now=timezone.now())
    hooks.receive_all()
    event = WebhookDelivery.objects.get(id=first).event
    assert event is not None
    run = Run.objects.filter(workflow_name=workflow).earliest("id")
    message = WebhookMessage.objects.get(event=event)

    shown = page(staff, "workflows_event", event)
    assert href("automation_webhookdelivery", first) in shown
    assert href("workflows_run", run.id) in shown
    assert href("automation_webhookmessage", message.pk) in shown
    delivery, repeated = (page(staff, "automation_webhookdelivery", one) for one in (first, again))
    assert href("workflows_event", event) in delivery
    assert href("workflows_run", run.id) in delivery
    assert href("automation_webhookdelivery", again) in delivery
    assert href("automation_webhookdelivery", first) in repeated
    assert f"?q={source}" in delivery
    sent = page(staff, "automation_webhookmessage", message.pk)
    assert href("workflows_event", event) in sent
    assert href("automation_webhookendpoint", message.endpoint_id) in sent
    assert href("workflows_event", event) in page(staff, "workflows_run", run.id)
    trigger = EventTrigger.objects.get(workflow=workflow)
    assert f"?q={workflow}" in page(staff, "automation_eventtrigger", trigger.pk)


def test_call_leads_to_its_run_connection_and_correlation(staff: Client, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/charges").respond_with_json({"id": 1})
    shop = shop_at(httpserver.url_for(""))
    run = driving.finish(charge(shop))

    shown, calls = page(staff, "integrations_call", call_of(run.id).key), listed(staff, "integrations_call")

    assert href("workflows_run", run.id) in shown
    assert f"?q={shop}" in shown
    assert '<pre class="ae-json">null</pre>' not in shown
    assert href("workflows_run", run.id) in calls


def test_list_that_shows_all_does_not_offer_to(staff: Client, source: str) -> None:
    receive(source, b"{}", delivery=uuid4().hex)

    for name in ("automation_webhookdelivery", "integrations_call", "audit_auditevent", "integrations_notification"):
        response = staff.get(reverse(f"admin:{name}_changelist"))
        shown = response.context["cl"]
        assert ("Show all" in response.content.decode()) == (shown.multi_page and shown.can_show_all)


def test_empty_lists_say_what_that_means(staff: Client) -> None:
    nothing = listed(staff, "workflows_humanrequest")

    assert "Nothing waits for you." in nothing
    assert "yielded" not in nothing
    assert "Nothing fits what is asked for." in listed(staff, "automation_webhookmessage", q=uuid4().hex)


def test_reasons_and_kinds_are_words(staff: Client, source: str) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    WebhookRefusal.objects.create(hour=hour, source=source, reason="wrong_signature", count=2, latest_at=hour)
    publish({"event_missing": {"type": f"pulse-{source}", "within": "25h"}})
    trigger = EventTrigger.objects.get(type=f"pulse-{source}")

    assert "wrong signature" in listed(staff, "automation_webhookrefusal", q=source)
    assert f"?q={source}" in listed(staff, "automation_webhooksource", q=source)
    assert "1 d 1 h" in page(staff, "automation_eventtrigger", trigger.pk)
    assert "event missing" in listed(staff, "automation_eventtrigger", q=f"pulse-{source}")


def test_page_of_a_wait_that_has_ended_is_still_there(staff: Client) -> None:
    key = uuid4().hex
    wait = {"uses": "wait", "with": {"event": {"type": "paid", "key": key}, "for": "1s"}, "retry": {"attempts": 1}}
    driving.finish({"paid": wait})

    assert key in page(staff, "workflows_eventwait", EventWait.objects.get(key=key).pk)


def test_notification_is_shown_as_it_is_sent_without_its_signed_link(staff: Client) -> None:
    row = Notification.objects.create(
        id=uuid4(), state="sent", channel="log", recipient="ops", subject="s", key=uuid4().hex,
        text="see [[page:/admin/]] or [[signed:/answer/7]]", about=str(uuid4()), created_at=timezone.now(),
        due_at=timezone.now(),
    )  # fmt: skip

    shown = page(staff, "integrations_notification", row.id)

    assert "[[" not in shown
    assert "a signed link, made when it is sent" in shown
    assert href("workflows_run", row.about) in shown


def test_more_secrets_cost_no_more_statements(staff: Client) -> None:
    prefix = f"list-{uuid4().hex[:8]}"

    def store(number: int) -> None:
        name = f"{prefix}-{number}"
        secret_operations.set_secret(name=name, value="v", actor=TESTER, now=timezone.now())
        save(f"{prefix}-{number}", secrets=(f"db:{name}",))

    store(0)
    few = statements(staff, "integrations_storedsecret", q=prefix)
    for number in range(1, 6):
        store(number)

    assert statements(staff, "integrations_storedsecret", q=prefix) == few
    assert f"webhook source {prefix}-3" in listed(staff, "integrations_storedsecret", q=prefix)


def test_more_sources_cost_no_more_statements(staff: Client) -> None:
    prefix = f"list-{uuid4().hex[:8]}"
    save(f"{prefix}-0")
    few = statements(staff, "automation_webhooksource", q=prefix)
    for number in range(1, 6):
        save(f"{prefix}-{number}")

    assert statements(staff, "automation_webhooksource", q=prefix) == few


def test_more_jobs_cost_no_more_statements(staff: Client) -> None:
    prefix = f"list-{uuid4().hex[:8]}"

    def make(number: int) -> None:
        side = {"function": {"call": "flows.ledger", "args": {"book": "none", "side": "left"}}}
        job = {"name": f"{prefix}-{number}", "left": side, "right": side, "key": "id", "fields": {"total": "number"}}
        body = {"source": orjson.dumps(job).decode()}
        answer = api.client("definitions:write").post("/api/v1/reconciliation/jobs", body, format="json")
        assert answer.status_code == 201, answer.content
        row = Job.objects.get(name=f"{prefix}-{number}")
        for minutes in (2, 1):
            at = timezone.now() - timedelta(minutes=minutes)
            version = row.versions.get(number=1)
            Comparison.objects.create(
                job=row,
                version=version,
                state="done",
                started_by="system:test",
                started_at=at,
                ended_at=at,
                lease_until=at,
                standing=minutes,
            )

    make(0)
    few = statements(staff, "reconciliation_job", q=prefix)
    for number in range(1, 6):
        make(number)

    assert statements(staff, "reconciliation_job", q=prefix) == few
