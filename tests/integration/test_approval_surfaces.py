"""Approvals where people meet them: the inbox in the admin, the API, the command line, `why`."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from tests.flows import driving
from tests.support import api, people
from tests.support.admin_pages import NASTY, browser
from tests.support.guide import automation
from workflows.models import HumanAnswer, HumanRequest, Run

FORM = {
    "type": "object",
    "required": ["amount"],
    "properties": {"amount": {"type": "integer", "minimum": 1}, "level": {"enum": ["low", "high"]}},
}


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def ask(**inputs: object) -> HumanRequest:
    """This will begin a run that asks, and give its request."""
    run_id = driving.begin({"ok": {"uses": "approval", "with": inputs}})
    driving.work(run_id)
    return HumanRequest.objects.get(run_id=run_id)


def page(row: HumanRequest) -> str:
    """This will give the address of a request in the admin."""
    return reverse("admin:workflows_humanrequest_change", args=(row.id,))


def session(user: User) -> APIClient:
    """This will be a client in whose session a user has signed in."""
    client = APIClient()
    client.force_authenticate(user)
    return client


def decide(client: APIClient, row: HumanRequest, **body: Any) -> Any:  # Any: JSON, and what the client adds
    """This will send a decision."""
    return client.post(f"/api/v1/approvals/{row.id}/decide", body, format="json")


def end_of(run_id: UUID) -> str:
    """This will do what is due, and give the state of the run."""
    driving.work(run_id)
    return Run.objects.get(id=run_id).state


def test_inbox_shows_what_waits_for_the_user_and_nothing_of_others() -> None:
    group = people.group()
    ada, eve = people.user(group, is_staff=True), people.user(is_staff=True)
    row = ask(groups=[group], title=NASTY, expires="2h")
    inbox = reverse("admin:workflows_humanrequest_changelist")

    mine, others = browser(ada).get(inbox).content.decode(), browser(eve).get(inbox).content.decode()
    start = browser(ada).get(reverse("admin:index")).content.decode()

    assert f"approval {row.id}" in mine
    assert "&lt;script&gt;" in mine
    assert NASTY not in mine
    assert f"approval {row.id}" not in others
    assert "waits for your answer" in start
    assert browser(eve).get(page(row)).status_code == 403


def test_form_is_shown_again_with_what_is_wrong_and_then_counts() -> None:
    ada = people.user(is_staff=True)
    row = ask(users=[ada.username], form=FORM, show={"total": 12.5, "note": NASTY}, description="Look twice")
    staff, target = browser(ada), reverse("admin:workflows_humanrequest_decide", args=(row.id,))

    shown = staff.get(page(row)).content.decode()
    wrong = staff.post(target, {"choice": "approve", "form.amount": "0", "form.level": "low", "comment": "mine"})
    right = staff.post(target, {"choice": "approve", "form.amount": "3", "form.level": "low", "comment": "mine"})

    assert "12.5" in shown
    assert NASTY not in shown
    assert "Look twice" in shown
    assert wrong.status_code == 422
    assert "0 is less than the minimum of 1" in wrong.content.decode()
    assert 'value="0"' in wrong.content.decode()
    assert ">mine</textarea>" in wrong.content.decode()
    assert right.status_code == 302
    answer = HumanAnswer.objects.get(request=row)
    assert (answer.form, answer.comment, answer.via) == ({"amount": 3, "level": "low"}, "mine", "admin")
    assert end_of(row.run_id) == "succeeded"
    assert "approved" in staff.get(page(row)).content.decode()


def test_user_who_is_not_asked_has_no_button_and_is_refused() -> None:
    ada, eve = people.user(), people.user(is_staff=True)
    eve.user_permissions.add(Permission.objects.get(codename="view_run"))
    row = ask(users=[ada.username])
    staff = browser(eve)

    assert "not among those who are asked" in staff.get(page(row)).content.decode()
    staff.post(reverse("admin:workflows_humanrequest_decide", args=(row.id,)), {"choice": "approve"})

    assert not HumanAnswer.objects.filter(request=row).exists()


def test_user_answers_over_the_api_for_himself_only() -> None:
    ada, bob, eve = people.user(), people.user(), people.user()
    row = ask(users=[ada.username, bob.username], approvers=2, form=FORM)

    listed = session(ada).get("/api/v1/approvals?waiting_for=me").json()["results"]
    refused = decide(session(ada), row, decision="approve", as_user=bob.username, form={"amount": 1})
    wrong = decide(session(ada), row, decision="approve", form={"amount": 0})
    first = decide(session(ada), row, decision="approve", form={"amount": 1})
    again = decide(session(ada), row, decision="approve", form={"amount": 1})
    other = decide(session(ada), row, decision="reject")
    stranger = decide(session(eve), row, decision="approve", form={"amount": 1})

    assert [one["id"] for one in listed] == [row.id]
    assert [refused.status_code, wrong.status_code, first.status_code, again.status_code] == [400, 422, 200, 200]
    assert wrong.json()["problems"][0]["path"] == "$.form.amount"
    assert (first.json()["state"], first.json()["may_answer"]) == ("open", [bob.username])
    assert (other.status_code, other.json()["type"].rpartition(":")[2]) == (409, "already-answered")
    assert stranger.status_code == 404
    assert HumanAnswer.objects.filter(request=row).count() == 1


def test_token_answers_for_the_user_it_names_and_the_trail_names_both() -> None:
    ada, eve = people.user(), people.user()
    row = ask(users=[ada.username])
    token = api.client("runs:read", "answers:write")

    nobody = decide(token, row, decision="approve")
    unknown = decide(token, row, decision="approve", as_user="no such user")
    stranger = decide(token, row, decision="approve", as_user=eve.username)
    done = decide(token, row, decision="approve", as_user=ada.username, comment="by chat")
    reader = decide(api.client("runs:read"), row, decision="approve", as_user=ada.username)

    codes = [one.status_code for one in (nobody, unknown, stranger, done, reader)]
    assert codes == [400, 422, 403, 200, 403]
    assert stranger.json()["type"].endswith(":not-asked")
    assert done.json()["output"]["decisions"][0]["by"] == ada.username
    answer = HumanAnswer.objects.get(request=row)
    assert answer.actor.startswith("token:")
    (told,) = driving.trail_of(row.run_id, "approval.answered")
    assert (told["name"], told["via"]) == (ada.username, "api")


def test_run_says_which_requests_it_waits_for_and_why_names_who_may_answer() -> None:
    ada = people.user()
    row = ask(users=[ada.username], approvers=1, expires="3d")
    reader = api.client("runs:read")

    (wait,) = reader.get(f"/api/v1/runs/{row.run_id}").json()["waits"]
    (why,) = reader.get(f"/api/v1/runs/{row.run_id}/why").json()["reasons"]

    assert (wait["reason"], wait["object_name"], wait["requests"]) == ("approval", ada.username, [row.id])
    assert f"0 of 1 given, asked are {ada.username}" in why["says"]
    assert "else it is rejected" in why["ends_when"]
    assert why["ahead"] == [f"{ada.username} may answer approval {row.id}"]
    assert ada.username in automation("why", row.run_id)


def test_command_lists_shows_and_decides_for_a_user() -> None:
    ada = people.user()
    row = ask(users=[ada.username], title="Pay?", form=FORM)

    listed = automation("approvals", "list", "--user", ada.username)
    shown = automation("approvals", "show", row.id)
    done = automation("approvals", "decide", row.id, "approve", "--as-user", ada.username, "--form", '{"amount": 2}')

    assert "Pay?" in listed
    assert row.digest in shown
    assert f"may answer: {ada.username}" in shown
    assert "it is approved" in done
    assert HumanAnswer.objects.get(request=row).actor.startswith("system:cli:")
