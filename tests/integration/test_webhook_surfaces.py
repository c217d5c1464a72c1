"""Webhooks as people and systems meet them: admin, API and command line, in both directions."""

from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from automation.models import EventTrigger, WebhookDelivery, WebhookEndpoint, WebhookMessage, WebhookSource
from tests.flows.driving import TESTER
from tests.integration.test_webhooks import publish, receive, save
from tests.support import api, hooks
from tests.support.admin_pages import browser, user
from workflows import operations
from workflows.core.correlation import NewEvent

pytestmark = pytest.mark.usefixtures("database")
SOURCES, DELIVERIES = "/api/v1/webhook-sources", "/api/v1/webhook-deliveries"


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> str:
    """This will be a source of this test alone, with the preset of GitHub."""
    monkeypatch.setenv("TEST_HOOK_SECRET", "hush")
    name = f"hub-{uuid4().hex[:12]}"
    save(name)
    return name


def received(source: str, *, text: str = "x") -> UUID:
    """This will be a request that has been read."""
    delivery = receive(source, f'{{"password": "p", "text": "{text}"}}'.encode(), delivery=uuid4().hex)
    hooks.receive_all()
    return delivery


def automation(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """This will run a command and give what it prints."""
    capsys.readouterr()
    call_command("automation", *arguments)
    return capsys.readouterr().out


def test_only_admins_say_who_may_send_and_a_wrong_source_is_told_where(source: str) -> None:
    wanted = {"preset": "github", "secrets": ["env:TEST_HOOK_SECRET"]}
    assert api.client("events:write", "runs:read").put(f"{SOURCES}/x", wanted, format="json").status_code == 403

    admin = api.client("admin")
    wrong = admin.put(f"{SOURCES}/{source}", {**wanted, "secrets": ["hush"], "options": {"a": 1}}, format="json")
    same = admin.put(f"{SOURCES}/{source}", wanted, format="json")

    assert wrong.status_code == 422
    assert {problem["path"] for problem in wrong.json()["problems"]} == {"$.secrets[0]", "$.options.a"}
    assert "hush" not in wrong.content.decode()
    assert (same.status_code, same.json()["secrets"]) == (200, ["env:TEST_HOOK_SECRET"])


def test_requests_are_listed_read_masked_and_replayed_by_who_may(source: str) -> None:
    delivery = received(source)
    caller = api.client("events:write", "runs:read")

    (listed,) = caller.get(DELIVERIES, {"source": source, "state": "unmatched"}).json()["results"]
    read = caller.get(f"{DELIVERIES}/{delivery}").json()
    forbidden = api.client("runs:read").post(f"{DELIVERIES}/replay", {"deliveries": [str(delivery)]}, format="json")
    replayed = caller.post(f"{DELIVERIES}/replay", {"deliveries": [str(delivery)]}, format="json")
    unknown = caller.post(f"{DELIVERIES}/replay", {"deliveries": [str(uuid4())]}, format="json")

    assert (listed["id"], "body" in listed) == (str(delivery), False)
    assert read["body"] == {"password": "***", "text": "x"}
    assert [forbidden.status_code, replayed.status_code, unknown.status_code] == [403, 201, 404]
    assert WebhookDelivery.objects.get(id=replayed.json()["deliveries"][0]).replay_of == delivery


def test_a_source_is_deleted_unless_a_workflow_names_it(source: str) -> None:
    publish({"webhook": {"source": source, "event": "push"}})
    admin = api.client("admin")

    refused = admin.delete(f"{SOURCES}/{source}")

    assert (refused.status_code, refused.json()["type"]) == (409, "urn:problem-type:automation:source-in-use")
    EventTrigger.objects.filter(source=f"webhook:{source}").update(ended_at=timezone.now())
    assert admin.delete(f"{SOURCES}/{source}").status_code == 204
    assert admin.get(f"{SOURCES}/{source}").status_code == 404


def test_the_command_shows_sources_requests_and_replays_them(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    delivery = received(source)

    assert source in automation(capsys, "webhooks", "sources")
    assert str(delivery) in automation(capsys, "webhooks", "list", "--source", source)
    shown = automation(capsys, "webhooks", "show", str(delivery))
    assert '"password": "***"' in shown
    again = automation(capsys, "webhooks", "replay", str(delivery)).strip()
    assert WebhookDelivery.objects.filter(id=again, replay_of=delivery).exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("set", "x", "--preset", "hmac", "--secret", "env:A"), "$.options: `header` is missing"),
        (("set", "x", "--preset", "hmac", "--options", "{"), "--options is not JSON"),
        (("set", "x", "--preset", "github"), "$.secrets: must be 1 to 10 references"),
        (("delete", "never-there"), "there is no source of webhooks 'never-there'"),
        (("show", str(UUID(int=0))), "there is no webhook delivery"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_line_and_code_2(arguments: tuple[str, ...], text: str) -> None:
    with pytest.raises(CommandError) as raised:
        call_command("automation", "webhooks", *arguments)

    assert raised.value.returncode == 2
    assert text in str(raised.value)


def test_the_admin_makes_a_source_and_tells_what_is_wrong_at_its_field() -> None:
    name = f"shop-{uuid4().hex[:8]}"
    form = {
        "name": name,
        "preset": "hmac",
        "secrets": "hush",
        "options": "{}",
        "rate_per_s": "5",
        "burst": "5",
        "max_bytes": "1000",
        "is_enabled": "on",
    }
    staff = browser(user(is_superuser=True))
    add = reverse("admin:automation_webhooksource_add")

    wrong = staff.post(add, form).content.decode()
    right = staff.post(add, {**form, "secrets": "env:TEST_A\nenv:TEST_B", "options": '{"header": "X-Sig"}'})

    assert "`header` is missing" in wrong
    assert "must say where the secret is" in wrong
    assert right.status_code == 302
    assert WebhookSource.objects.get(name=name).secrets == ["env:TEST_A", "env:TEST_B"]
    page = staff.get(reverse("admin:automation_webhooksource_changelist")).content.decode()
    assert f"/hooks/{name}" in page


def test_the_admin_shows_a_request_masked_and_replays_it(source: str) -> None:
    workflow = publish({"webhook": {"source": source, "event": "push"}})
    delivery = received(source, text="<script>")
    staff = browser(user(is_superuser=True))

    page = staff.get(reverse("admin:automation_webhookdelivery_change", args=(delivery,))).content.decode()
    action = {"action": "replay_selected", "_selected_action": [str(delivery)]}
    answer = staff.post(reverse("admin:automation_webhookdelivery_changelist"), action)
    trigger = EventTrigger.objects.get(workflow=workflow)
    triggers = staff.get(reverse("admin:automation_eventtrigger_change", args=(trigger.pk,))).content.decode()
    refusals = staff.get(reverse("admin:automation_webhookrefusal_changelist"))

    assert "***" in page
    assert "<script>&" not in page
    assert workflow in page
    assert answer.status_code == 302
    assert WebhookDelivery.objects.filter(replay_of=delivery).count() == 1
    assert "started" in triggers
    assert refusals.status_code == 200


def test_the_page_of_a_request_replays_it_for_those_who_may(source: str) -> None:
    delivery = received(source, text="x")
    page = reverse("admin:automation_webhookdelivery_change", args=(delivery,))
    act = reverse("admin:automation_webhookdelivery_act", args=(delivery, "replay_selected"))
    looker, publisher = browser(_member("view_webhookdelivery")), browser(_member("view_webhookdelivery", "add_event"))

    refused = looker.post(act)
    offers = [act in one.get(page).content.decode() for one in (looker, publisher)]
    got, others = publisher.get(act), publisher.post(act.replace("replay_selected", "delete_model"))
    count = WebhookDelivery.objects.filter(replay_of=delivery).count()
    answer = publisher.post(act)

    assert [refused.status_code, got.status_code, others.status_code, count] == [403, 405, 404, 0]
    assert offers == [False, True]
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert WebhookDelivery.objects.filter(replay_of=delivery).count() == 1
    assert "1 request is read again." in publisher.get(page).content.decode()


def _member(*permissions: str) -> User:
    person = user()
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return person


def test_endpoints_and_their_messages_are_seen_and_sent_again(capsys: pytest.CaptureFixture[str]) -> None:
    name, kind = f"out-{uuid4().hex[:8]}", uuid4().hex
    admin = api.client("admin")
    wanted = {"url": "https://partner.example/h", "types": [kind], "secrets": ["env:TEST_OUT"]}
    assert admin.put(f"/api/v1/webhook-endpoints/{name}", wanted, format="json").status_code == 201
    event = NewEvent(id="1", source=kind, type=kind)
    operations.publish_event(event, actor=TESTER, now=timezone.now())
    (message,) = admin.get("/api/v1/webhook-messages", {"endpoint": name}).json()["results"]

    early = admin.post("/api/v1/webhook-messages/redeliver", {"messages": [message["id"]]}, format="json")
    log = [{"at": "2026-01-31T08:00:00+00:00", "status": 500, "seconds": 0.1, "error": "it broke"}]
    WebhookMessage.objects.filter(id=message["id"]).update(state="dead", log=log)
    staff = browser(user(is_superuser=True))
    address = reverse("admin:automation_webhookmessage_change", args=(message["id"],))
    page = staff.get(address).content.decode()
    lists = [staff.get(reverse(f"admin:automation_webhook{one}_changelist")) for one in ("endpoint", "message")]
    act = reverse("admin:automation_webhookmessage_act", args=(message["id"], "redeliver_selected"))
    again = staff.post(act)
    sending = staff.get(address).content.decode()

    assert (early.status_code, early.json()["type"]) == (409, "urn:problem-type:automation:message-not-ended")
    assert "it broke" in page
    assert [act in one for one in (page, sending)] == [True, False]
    assert [one.status_code for one in lists] == [200, 200]
    assert again.status_code == 302
    assert WebhookMessage.objects.get(id=message["id"]).state == "pending"
    assert "500 it broke" in automation(capsys, "endpoints", "messages", "--endpoint", name)
    assert name in automation(capsys, "endpoints", "list")
    WebhookEndpoint.objects.filter(name=name).delete()


def test_the_admin_makes_an_endpoint_and_tells_what_is_wrong_at_its_field() -> None:
    name = f"out-{uuid4().hex[:8]}"
    form = {
        "name": name,
        "url": "http://plain.example",
        "types": "order.*\nping",
        "secrets": "env:A",
        "format": "cloudevents",
        "is_enabled": "on",
    }
    staff = browser(user(is_superuser=True))
    add = reverse("admin:automation_webhookendpoint_add")

    wrong = staff.post(add, form).content.decode()
    right = staff.post(add, {**form, "url": "https://partner.example"})

    assert "is no https address" in wrong
    assert right.status_code == 302
    endpoint = WebhookEndpoint.objects.get(name=name)
    assert (endpoint.types, endpoint.secrets, endpoint.format) == (["order.*", "ping"], ["env:A"], "cloudevents")
    endpoint.delete()
