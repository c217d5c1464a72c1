"""One-time links: looking decides nothing, one answer spends them, and nothing of them leaks."""

import io
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.signing import Signer
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from audit.events import Actor, ActorKind
from config import logs
from tests.flows import driving
from tests.support import api, people
from tests.support.admin_pages import NASTY, Browser
from tests.support.guide import automation
from workflows import human_rights, operations
from workflows.models import HumanAnswer, HumanLink, HumanRequest, Run

FORM = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer", "minimum": 1}}}


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def ask(**inputs: object) -> HumanRequest:
    """This will begin a run that asks, and give its request."""
    run_id = driving.begin({"ok": {"uses": "approval", "with": inputs}})
    driving.work(run_id)
    return HumanRequest.objects.filter(run_id=run_id).latest("id")


def path_for(row: HumanRequest, user: User) -> str:
    """This will give the path of a user's link."""
    person = human_rights.person_of(user)
    _, url = operations.make_link(request_id=row.id, person=person, actor=driving.TESTER, now=timezone.now())
    assert url.startswith(django_settings.PUBLIC_URL)
    return url.removeprefix(django_settings.PUBLIC_URL)


def visitor() -> Client:
    """This will be somebody who has not signed in, in a browser that checks forms for their origin."""
    return Browser(enforce_csrf_checks=True)


def text_of(response: Any) -> str:  # Any: the client adds to responses
    """This will give the page."""
    return str(response.content.decode())


def test_looking_decides_nothing_and_one_post_decides_without_a_login() -> None:
    ada = people.user()
    row = ask(users=[ada.username], title=NASTY, show={"total": 12.5}, form=FORM, expires="3d")
    path, client = path_for(row, ada), visitor()

    looks = [client.get(path), client.head(path), client.get(path)]
    wrong = client.post(path, {"choice": "approve", "form.amount": "0", "comment": "mine"})
    none = client.post(path, {"form.amount": "3"})
    assert not HumanAnswer.objects.filter(request=row).exists()
    done = client.post(path, {"choice": "approve", "form.amount": "3", "comment": "mine"})
    after = client.get(path)

    assert [one.status_code for one in (*looks, wrong, none, done, after)] == [200, 200, 200, 422, 422, 303, 200]
    assert "12.5" in text_of(looks[0])
    assert NASTY not in text_of(looks[0])
    assert "less than the minimum" in text_of(wrong)
    assert "You approved this" in text_of(after)
    answer = HumanAnswer.objects.get(request=row)
    assert (answer.person, answer.via, answer.form) == (str(ada.pk), "link", {"amount": 3})
    assert HumanLink.objects.get(request=row).used_at == answer.at
    driving.work(row.run_id)
    assert Run.objects.get(id=row.run_id).state == "succeeded"


def test_second_use_says_who_decided_and_when() -> None:
    ada, bob = people.user(), people.user()
    row = ask(users=[ada.username, bob.username])
    own, other = path_for(row, ada), path_for(row, bob)
    client = visitor()

    client.post(own, {"choice": "reject"})
    again = client.post(own, {"choice": "reject"})
    contrary = client.post(own, {"choice": "approve"})
    late = client.post(other, {"choice": "approve"})
    shown = client.get(other)

    assert [one.status_code for one in (again, contrary, late, shown)] == [303, 409, 409, 410]
    assert "You rejected this" in text_of(contrary)
    assert f"<strong>{ada.username}</strong> rejected it on" in text_of(shown)
    assert list(HumanAnswer.objects.filter(request=row).values_list("choice", flat=True)) == ["reject"]


def test_link_ends_with_its_time() -> None:
    ada = people.user()
    row = ask(users=[ada.username], expires="2h")
    path = path_for(row, ada)
    begun_at = timezone.now() - timedelta(hours=3)
    HumanRequest.objects.filter(id=row.id).update(opened_at=begun_at, expires_at=begun_at + timedelta(hours=2))

    answers = [visitor().post(path, {"choice": "approve"}), visitor().get(path)]

    assert [one.status_code for one in answers] == [409, 410]
    assert "The time for an answer is over" in text_of(answers[1])
    assert not HumanAnswer.objects.filter(request=row).exists()


def test_handing_over_revokes_it_for_good() -> None:
    ada, eve = people.user(), people.user()
    row = ask(users=[ada.username], show={"secret": "plan"})
    path = path_for(row, ada)
    giver, taker = (human_rights.person_of(one) for one in (ada, eve))
    for one, other in ((giver, taker), (taker, giver)):
        given = operations.Handover(taker=other, via="test")
        actor = Actor(kind=ActorKind.USER, id=one.id)
        operations.delegate(request_id=row.id, giver=one, given=given, actor=actor, now=timezone.now())

    answers = [visitor().post(path, {"choice": "approve"}), visitor().get(path)]
    fresh = path_for(row, ada)

    assert [one.status_code for one in answers] == [409, 410]
    assert f"handed this to <strong>{eve.username}</strong>" in text_of(answers[1])
    assert "plan" not in text_of(answers[1])
    assert fresh != path
    assert visitor().post(fresh, {"choice": "approve"}).status_code == 303


def test_link_is_worth_nothing_once_its_person_may_not_answer() -> None:
    ada = people.user()
    row = ask(users=[ada.username])
    path = path_for(row, ada)
    User.objects.filter(pk=ada.pk).update(is_active=False)

    assert visitor().post(path, {"choice": "approve"}).status_code == 409
    assert visitor().get(path).status_code == 410
    assert not HumanAnswer.objects.filter(request=row).exists()


def test_requeued_step_asks_anew_and_the_former_link_answers_nothing() -> None:
    ada = people.user()
    row = ask(users=[ada.username], on_reject="fail")
    path = path_for(row, ada)
    visitor().post(path, {"choice": "reject"})
    driving.work(row.run_id)
    letter = Run.objects.get(id=row.run_id).dead_letters.get()
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=driving.TESTER, now=timezone.now())
    driving.work(row.run_id)
    again = HumanRequest.objects.filter(run_id=row.run_id).latest("id")

    assert visitor().post(path, {"choice": "approve"}).status_code == 409
    assert (again.id != row.id, again.state) == (True, "open")


def test_forged_and_cut_links_are_not_known() -> None:
    ada = people.user()
    row = ask(users=[ada.username])
    path = path_for(row, ada)
    link = HumanLink.objects.get(request=row)
    forged = Signer(key="x" * 50, salt="notifications.signed", sep="~").sign(str(link.id))

    for wrong in (path[:-1], f"/answer/{link.id}", f"/answer/{forged}", "/answer/x", "/answer/~"):
        assert visitor().get(wrong).status_code == 404
        assert visitor().post(wrong, {"choice": "approve"}).status_code == 404
    assert not HumanAnswer.objects.filter(request=row).exists()


def test_links_survive_a_rotation_of_the_key_until_the_old_one_is_taken_out() -> None:
    ada = people.user()
    row = ask(users=[ada.username])
    path = path_for(row, ada)

    with override_settings(SECRET_KEY="n" * 50, SECRET_KEY_FALLBACKS=[django_settings.SECRET_KEY]):
        kept = visitor().get(path).status_code
    with override_settings(SECRET_KEY="n" * 50, SECRET_KEY_FALLBACKS=[]):
        dropped = visitor().get(path).status_code

    assert (kept, dropped) == (200, 404)


def test_nothing_of_a_link_leaks(capfd: pytest.CaptureFixture[str]) -> None:
    ada = people.user()
    row = ask(users=[ada.username])
    path = path_for(row, ada)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    options: Any = logs.settings(level="INFO", style="json")["formatters"]["structured"]  # Any: logging's schema
    handler.setFormatter(options["()"](**{key: value for key, value in options.items() if key != "()"}))
    logging.getLogger("django.request").addHandler(handler)
    try:
        response = visitor().post(path, {"choice": "no such choice"})
    finally:
        logging.getLogger("django.request").removeHandler(handler)

    signature = path.rpartition("~")[2]
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "/answer/" in written.getvalue()
    assert signature not in written.getvalue() + capfd.readouterr().err
    assert signature not in text_of(response)
    assert not response.cookies
    (made,) = driving.trail_of(row.run_id, "approval.link_made")
    assert signature not in str(made)


def test_api_and_command_make_links_of_those_who_may_answer() -> None:
    ada, eve = people.user(), people.user()
    row = ask(users=[ada.username])
    token = api.client("runs:read", "answers:write")

    def link(user: User, client: Any = token) -> Any:  # Any: what the client adds
        return client.post(f"/api/v1/approvals/{row.id}/link", {"as_user": user.username}, format="json")

    made, again, stranger = link(ada), link(ada), link(eve)
    reader = link(ada, api.client("runs:read"))
    told = automation("approvals", "link", row.id, "--as-user", ada.username).strip()

    assert [one.status_code for one in (made, again, stranger, reader)] == [200, 200, 403, 403]
    assert made.json()["url"] == again.json()["url"] == told
    assert len(driving.trail_of(row.run_id, "approval.link_made")) == 1
    assert HumanLink.objects.get(request=row).made_at <= timezone.now()
