"""Events sent to endpoints: signed, retried, given up, disabled, sent again, to a real server on loopback."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from django.db import transaction
from django.utils import timezone
from pytest_httpserver import HTTPServer
from standardwebhooks.webhooks import Webhook
from werkzeug import Request, Response

from audit.models import AuditEvent
from automation.errors import EndpointInvalid, MessageNotEnded
from automation.models import WebhookEndpoint, WebhookMessage
from automation.outbound import endpoints
from automation.outbound.delivering import Sender
from automation.outbound.endpoints import EndpointWanted
from integrations.connections import ConnectionSpec
from integrations.operations import save_connection
from tests.flows.driving import TESTER
from workflows import operations
from workflows.core.correlation import NewEvent

pytestmark = pytest.mark.usefixtures("database")
OLD, NEW = "whsec_" + "b2xk" * 11, "whsec_" + "bmV3" * 11


class Receiver:
    """A receiver on loopback that answers as it is told, and keeps what came."""

    def __init__(self, server: HTTPServer) -> None:
        self.status = 204
        self.headers: dict[str, str] = {}
        self.came: list[Request] = []
        server.expect_request("/hooks").respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        request.get_data()
        self.came.append(request)
        return Response(status=self.status, headers=self.headers)


@pytest.fixture
def receiver(httpserver: HTTPServer) -> Receiver:
    """This will be a receiver of this test alone."""
    return Receiver(httpserver)


@pytest.fixture
def kind() -> str:
    """This will be a type of events of this test alone."""
    return f"k{uuid4().hex}.paid"


@pytest.fixture
def name(httpserver: HTTPServer, kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This will be an endpoint that wants events of the type, through a connection to the receiver."""
    monkeypatch.setenv("TEST_OUT_OLD", OLD)
    monkeypatch.setenv("TEST_OUT_NEW", NEW)
    found = f"out-{uuid4().hex[:12]}"
    spec = ConnectionSpec(name=found, base_url=httpserver.url_for(""), allow_private=True)
    save_connection(spec=spec, actor=TESTER, now=timezone.now(), correlation_id="test")
    save(found, types=(f"{kind.partition('.')[0]}.*",))
    yield found
    WebhookEndpoint.objects.filter(name=found).delete()


def save(name: str, **more: Any) -> None:
    """This will make or change an endpoint."""
    known = {"url": "/hooks", "connection": name, "secrets": ("env:TEST_OUT_NEW", "env:TEST_OUT_OLD")}
    endpoints.save_endpoint(EndpointWanted(name=name, **{**known, **more}), actor=TESTER, now=timezone.now())


def publish(kind: str, *, data: object = None) -> None:
    """This will publish an event."""
    event = NewEvent(id=uuid4().hex, source="shop", type=kind, key="order-7", data=data)  # type: ignore[arg-type]  # JSON
    operations.publish_event(event, actor=TESTER, now=timezone.now())


def message(name: str) -> WebhookMessage:
    """This will give the latest message to an endpoint."""
    return WebhookMessage.objects.filter(endpoint__name=name).latest("id")


def send(name: str, *, at: datetime | None = None) -> None:
    """This will send what is due to one endpoint."""
    others = WebhookMessage.objects.filter(state="pending").exclude(endpoint__name=name)
    others.update(due_at=timezone.now() + timedelta(days=365))
    sender = Sender(clock=lambda: at or timezone.now())
    while sender.send_one():
        pass


def test_an_event_is_sent_once_signed_with_every_secret(receiver: Receiver, name: str, kind: str) -> None:
    publish(kind, data={"total": 5})
    publish("other.kind")
    send(name)
    send(name)

    (request,) = receiver.came
    headers = {key.lower(): value for key, value in request.headers.items()}
    for secret in (OLD, NEW):
        told = Webhook(secret).verify(request.get_data(), headers)
    assert (told["type"], told["data"], told["event"]["key"]) == (kind, {"total": 5}, "order-7")
    row = message(name)
    assert (row.state, row.attempts, row.log[-1]["status"]) == ("delivered", 1, 204)
    assert headers["webhook-id"] == f"msg_{row.id.hex}"


@pytest.mark.parametrize("form", ["cloudevents", "cloudevents-binary"])
def test_an_endpoint_that_wants_cloud_events_gets_them_signed(
    receiver: Receiver, name: str, kind: str, form: str
) -> None:
    save(name, types=(kind,), format=form)
    publish(kind, data={"total": 5})
    send(name)

    (request,) = receiver.came
    headers = {key.lower(): value for key, value in request.headers.items()}
    event = from_http_event(HTTPMessage(headers=headers, body=request.get_data()))
    assert (event.get_type(), event.get_source(), event.get_data()) == (kind, "shop", {"total": 5})
    assert event.get_extension("correlationkey") == "order-7"
    Webhook(NEW).verify(request.get_data(), headers)
    assert message(name).state == "delivered"


def test_a_message_commits_with_its_event_or_not_at_all(name: str, kind: str) -> None:
    with transaction.atomic():
        publish(kind)
        transaction.set_rollback(True)

    assert not WebhookMessage.objects.filter(endpoint__name=name).exists()


def test_a_failure_is_tried_again_later_under_the_same_id(receiver: Receiver, name: str, kind: str) -> None:
    receiver.status, receiver.headers = 503, {"Retry-After": "600"}
    publish(kind)
    send(name)
    row = message(name)
    assert (row.state, row.log[-1]["status"]) == ("pending", 503)
    assert timedelta(minutes=9) < row.due_at - timezone.now() < timedelta(minutes=11)
    assert WebhookEndpoint.objects.get(name=name).failing_since is not None

    receiver.status = 200
    send(name, at=timezone.now() + timedelta(minutes=11))

    first, second = receiver.came
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert message(name).state == "delivered"
    assert WebhookEndpoint.objects.get(name=name).failing_since is None


def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver, name: str, kind: str) -> None:
    receiver.status, receiver.headers = 302, {"Location": "/elsewhere"}
    publish(kind)
    send(name)

    assert len(receiver.came) == 1
    assert (message(name).state, message(name).log[-1]["status"]) == ("pending", 302)


def test_who_is_gone_is_disabled_and_sent_nothing_more(receiver: Receiver, name: str, kind: str) -> None:
    receiver.status = 410
    publish(kind)
    send(name)
    publish(kind)
    send(name)

    endpoint = WebhookEndpoint.objects.get(name=name)
    assert (endpoint.is_enabled, len(receiver.came), message(name).state) == (False, 1, "dead")
    assert "410" in endpoint.disabled_reason
    assert AuditEvent.objects.filter(kind="webhook_endpoint.disabled", subject_id=name).count() == 1


def test_who_fails_for_days_is_disabled(receiver: Receiver, name: str, kind: str) -> None:
    receiver.status = 500
    publish(kind)
    send(name)
    days = timezone.now() - timedelta(days=6)
    WebhookEndpoint.objects.filter(name=name).update(failing_since=days)
    send(name, at=timezone.now() + timedelta(hours=1))

    endpoint = WebhookEndpoint.objects.get(name=name)
    assert not endpoint.is_enabled
    assert "5 days" in endpoint.disabled_reason


def test_a_message_out_of_attempts_is_dead_and_can_be_sent_again(receiver: Receiver, name: str, kind: str) -> None:
    receiver.status = 500
    publish(kind)
    with pytest.raises(MessageNotEnded):
        endpoints.redeliver([message(name).id], actor=TESTER, now=timezone.now())
    for _ in range(10):
        send(name, at=message(name).due_at)
    assert (message(name).state, message(name).attempts, len(receiver.came)) == ("dead", 10, 10)

    receiver.status = 200
    endpoints.redeliver([message(name).id], actor=TESTER, now=timezone.now())
    send(name)

    assert message(name).state == "delivered"
    assert len(message(name).log) == 11


def test_a_private_address_is_not_reached_without_a_connection(
    httpserver: HTTPServer, receiver: Receiver, name: str, kind: str
) -> None:
    WebhookEndpoint.objects.filter(name=name).update(connection="", url=httpserver.url_for("/hooks"))
    publish(kind)
    send(name)

    assert receiver.came == []
    assert message(name).log[-1]["status"] == 0
    assert "not allowed" in message(name).log[-1]["error"] or "private" in message(name).log[-1]["error"]


def test_a_secret_that_cannot_sign_is_told_of_and_never_shown(
    receiver: Receiver, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_OUT_NEW", "not-a-key-at-all")
    publish(kind)
    send(name)

    error = message(name).log[-1]["error"]
    assert "whsec_" in error
    assert "not-a-key" not in error
    assert receiver.came == []


def test_an_endpoint_is_checked_with_paths() -> None:
    wrong = EndpointWanted(name="A", url="http://example.com", types=("a*b", ""), secrets=("hush",))
    with pytest.raises(EndpointInvalid) as raised:
        endpoints.save_endpoint(wrong, actor=TESTER, now=timezone.now())

    paths = {problem.path for problem in raised.value.problems}
    assert paths == {"$.name", "$.url", "$.types[0]", "$.types[1]", "$.secrets[0]"}
    assert "hush" not in str(raised.value)
