"""Notifications on real peers: written with their cause, sent at least once, recognisable, never lost in silence."""

from collections.abc import Iterator
from datetime import timedelta
from email.message import Message as Mail
from uuid import uuid4

import dj_email_url
import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from audit import queries as audit
from integrations import operations, queries
from integrations.connections import ConnectionSpec
from integrations.models import Notification
from integrations.notifications import addresses, delivery, outbox
from integrations.notifications.contract import Message, UnknownChannel, WrongRecipient
from tests.flows.driving import TESTER
from tests.support import admin_pages
from tests.support.smtp_server import MailServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail_server(settings: Settings) -> Iterator[MailServer]:
    """This will be a mail server that the settings name."""
    with MailServer() as server:
        _use_mail(settings, url=server.url)
        yield server


def _use_mail(settings: Settings, *, url: str) -> None:
    parsed = dj_email_url.parse(url)
    settings.EMAIL_URL = url
    for name in ("EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_PORT"):
        setattr(settings, name, parsed[name])


def written(*, channel: str, recipient: str, text: str = "Text.", **more: str) -> Notification:
    """This will be a notification in the outbox."""
    key = more.pop("key", f"test:{uuid4()}")
    message = Message(channel=channel, recipient=recipient, subject="Subject", text=text, key=key, **more)  # type: ignore[arg-type]
    with transaction.atomic():
        outbox.notify([message], now=timezone.now())
    return Notification.objects.get(key=key)


def sent(row: Notification) -> Notification:
    """This will send what is due, and give the row as it is then."""
    Notification.objects.filter(id=row.id).update(due_at=timezone.now())
    delivery.send_due(now=timezone.now())
    row.refresh_from_db()
    return row


def connected(server: HTTPServer, *, allow_private: bool = True) -> str:
    """This will be the name of a connection to a peer."""
    name = f"peer-{uuid4().hex[:8]}"
    spec = ConnectionSpec(name=name, base_url=server.url_for("/hooks"), allow_private=allow_private)
    operations.save_connection(spec=spec, actor=TESTER, now=timezone.now(), correlation_id="")
    queries.forget_connections()
    return name


def kinds(row: Notification) -> list[str]:
    """This will be what the trail tells about a notification."""
    return list(audit.events_for(str(row.id)).values_list("kind", flat=True))


def test_mail_reaches_the_server_with_an_id_of_its_own(mail_server: MailServer) -> None:
    row = sent(written(channel="mail", recipient="boss@example.com", text="See [[page:/admin/]]."))

    (mail,) = mail_server.mails
    assert isinstance(mail, Mail)
    assert (row.state, row.attempts, mail_server.recipients) == ("sent", 1, ["boss@example.com"])
    assert str(row.id) in mail["Message-ID"]
    assert (mail["To"], mail["Subject"]) == ("boss@example.com", "Subject")
    assert "See http://localhost:8000/admin/." in str(mail.get_payload())
    assert kinds(row) == ["notification.queued", "notification.sent"]


def test_same_key_is_one_message_and_a_rolled_back_one_is_none() -> None:
    row = written(channel="log", recipient="ops")

    written(channel="log", recipient="somebody else", key=row.key)
    with transaction.atomic():
        outbox.notify([Message(channel="log", recipient="ops", subject="", text="", key="gone")], now=timezone.now())
        transaction.set_rollback(True)

    assert Notification.objects.get(key=row.key).recipient == "ops"
    assert not Notification.objects.filter(key="gone").exists()
    assert kinds(row) == ["notification.queued"]


@pytest.mark.parametrize(
    ("channel", "recipient", "error"),
    [
        ("pigeon", "roof", UnknownChannel),
        ("mail", "nobody", WrongRecipient),
        ("webhook", "chat.example.com", WrongRecipient),
        ("webhook", "connection:", WrongRecipient),
        ("log", " ", WrongRecipient),
    ],
)
def test_what_can_never_be_reached_is_refused_when_it_is_written(
    channel: str, recipient: str, error: type[ValueError]
) -> None:
    with pytest.raises(error):
        written(channel=channel, recipient=recipient)


def test_server_that_refuses_for_good_makes_it_dead_and_it_can_be_sent_again(mail_server: MailServer) -> None:
    mail_server.refuse = ["550 no such user"]
    row = sent(written(channel="mail", recipient="gone@example.com"))
    assert (row.state, row.attempts) == ("dead", 1)
    assert "550 no such user" in row.error

    outbox.send_again(notification_id=row.id, actor=TESTER, now=timezone.now())
    with pytest.raises(outbox.NotificationNotDead):
        outbox.send_again(notification_id=row.id, actor=TESTER, now=timezone.now())
    again = sent(row)

    assert (again.state, len(mail_server.mails)) == ("sent", 1)
    expected = ["queued", "dead", "requeued", "sent"]
    assert kinds(row) == [f"notification.{word}" for word in expected]


def test_server_that_is_away_is_tried_later_and_given_up_at_last(settings: Settings) -> None:
    settings.NOTIFICATION_ATTEMPTS = 2
    _use_mail(settings, url="smtp://127.0.0.1:1")
    row = sent(written(channel="mail", recipient="boss@example.com"))
    assert (row.state, row.attempts) == ("pending", 1)
    assert row.due_at > timezone.now() + timedelta(seconds=5)

    assert sent(row).state == "dead"


def test_mail_without_a_server_says_what_to_set(settings: Settings) -> None:
    settings.EMAIL_URL = ""

    row = sent(written(channel="mail", recipient="boss@example.com"))

    assert row.state == "pending"
    assert "set EMAIL_URL" in row.error


def test_webhook_goes_through_a_connection_with_the_id_as_its_key(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hooks/42", method="POST").respond_with_json({})
    recipient = f"connection:{connected(httpserver)}/42"

    row = sent(written(channel="webhook", recipient=recipient, about="r-1"))

    request = httpserver.log[0][0]
    assert row.state == "sent"
    assert request.headers["Idempotency-Key"] == f'"{row.id}"'
    assert request.json == {"id": str(row.id), "subject": "Subject", "text": "Text.", "run": "r-1"}


def test_webhook_to_a_private_address_is_refused(httpserver: HTTPServer) -> None:
    row = sent(written(channel="webhook", recipient=httpserver.url_for("/secret")))

    assert (row.state, len(httpserver.log)) == ("dead", 0)
    assert "not a public address" in row.error


def test_webhook_comes_again_when_its_peer_says(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hooks/x").respond_with_data(status=503, headers={"Retry-After": "70"})

    row = sent(written(channel="webhook", recipient=f"connection:{connected(httpserver)}/x"))

    assert row.state == "pending"
    assert timedelta(seconds=35) < row.due_at - timezone.now() <= timedelta(seconds=70)


def test_repetition_after_a_lost_sender_has_the_same_id_and_a_late_mark_changes_nothing(
    httpserver: HTTPServer,
) -> None:
    httpserver.expect_request("/hooks/x").respond_with_data("")
    row = written(channel="webhook", recipient=f"connection:{connected(httpserver)}/x")
    (late,) = delivery._claim(now=timezone.now())
    assert delivery._claim(now=timezone.now()) == (), "it is claimed"

    again = sent(row)

    assert (again.state, again.attempts) == ("sent", 2)
    assert not outbox.mark_dead(late, error="late", now=timezone.now())
    assert Notification.objects.get(id=row.id).state == "sent"


def test_due_notifications_are_found_by_their_index() -> None:
    due = Notification.objects.filter(state="pending", due_at__lte=timezone.now()).order_by("due_at")[:1]

    assert "notification_due" in due.explain()


def test_address_is_signed_when_it_is_sent_and_only_there() -> None:
    name = str(uuid4())
    stored = f"Answer: [[signed:/answers/{name}]]"

    text = addresses.filled(stored)

    token = text.rpartition("/")[2]
    assert text == f"Answer: http://localhost:8000/answers/{token}"
    assert addresses.find_name(token) == name
    assert addresses.find_name(f"{token[:-2]}xx") is None
    assert addresses.find_name(name) is None


def test_admin_shows_and_sends_again_what_is_dead() -> None:
    row = written(channel="log", recipient="ops")
    Notification.objects.filter(id=row.id).update(state="dead", error="it was away")
    browser = admin_pages.browser(admin_pages.user(is_superuser=True))
    page = reverse("admin:integrations_notification_changelist")

    listed = browser.get(page).content.decode()
    one = browser.get(reverse("admin:integrations_notification_change", args=(row.id,))).content.decode()
    act = reverse("admin:integrations_notification_act", args=(row.id, "send_again"))
    browser.post(act)
    after = browser.get(reverse("admin:integrations_notification_change", args=(row.id,))).content.decode()
    browser.post(page, {"action": "send_again", "_selected_action": [str(row.id)]})

    assert "it was away" in listed
    assert row.key in one
    assert [act in shown for shown in (one, after)] == [True, False]
    assert Notification.objects.get(id=row.id).state == "pending"
    assert kinds(row)[-1] == "notification.requeued"


def test_command_lists_retries_and_tests(capsys: pytest.CaptureFixture[str]) -> None:
    row = written(channel="log", recipient="ops")
    Notification.objects.filter(id=row.id).update(state="dead")

    call_command("automation", "notifications", "list", "--state", "dead")
    call_command("automation", "notifications", "retry", str(row.id))
    call_command("automation", "notifications", "test", "log", "me")

    said = capsys.readouterr().out
    assert str(row.id) in said
    assert "1 notifications are due again" in said
    assert "written" in said
    with pytest.raises(CommandError, match="is no mail address"):
        call_command("automation", "notifications", "test", "mail", "nobody")
    with pytest.raises(CommandError, match="only dead ones"):
        call_command("automation", "notifications", "retry", str(row.id))
