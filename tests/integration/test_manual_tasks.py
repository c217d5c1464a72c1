"""Manual tasks: one person takes one, says that it is done, and the run goes on with what came of it."""

from collections.abc import Iterator
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from audit.events import Actor, ActorKind
from integrations.models import Notification
from tests.flows import driving
from tests.support import api, people
from tests.support.admin_pages import Browser, browser
from tests.support.guide import automation
from workflows import human_queries, human_rights, inspection, operations
from workflows.core.states import WaitReason
from workflows.core.voting import Choice
from workflows.errors import WorkflowError
from workflows.human_errors import AnswerInvalid, ClaimRefused, NotAsked
from workflows.human_rights import Person
from workflows.models import HumanRequest, Run, Step

FORM = {"type": "object", "required": ["meter"], "properties": {"meter": {"type": "integer", "minimum": 1}}}


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def ask(**inputs: object) -> HumanRequest:
    """This will begin a run that asks somebody to do something, and give its request."""
    run_id = driving.begin({"do": {"uses": "task", "with": inputs}})
    driving.work(run_id)
    return HumanRequest.objects.get(run_id=run_id)


def act(by: Any, row: HumanRequest, person: Person) -> bool:  # Any: claim or unclaim
    """This will have somebody take a task or give it back; tells whether that is new."""
    actor = Actor(kind=ActorKind.USER, id=person.id)
    return bool(by(request_id=row.id, person=person, actor=actor, now=timezone.now())[1])


def complete(row: HumanRequest, person: Person, **more: Any) -> bool:  # Any: the fields
    """This will have somebody say that it is done; tells whether that is new."""
    given = operations.Answer(choice=more.pop("choice", Choice.COMPLETE), via="test", **more)
    actor = Actor(kind=ActorKind.USER, id=person.id)
    return operations.answer(request_id=row.id, person=person, given=given, actor=actor, now=timezone.now())[1]


def output(run_id: UUID) -> Any:  # Any: JSON
    """This will give the output of the task, when all that is due is done."""
    driving.work(run_id)
    return Step.objects.get(run_id=run_id, step="do").output


def test_task_waits_as_a_row_and_its_output_is_who_did_it_with_what() -> None:
    group = people.group()
    ada = people.person(group)
    row = ask(groups=[group], title="Read the meter", form=FORM, due="2d", expires="5d")
    (wait,) = inspection.waits_of(Run.objects.get(id=row.run_id))

    with pytest.raises(AnswerInvalid):
        complete(row, ada, form={"meter": 0})
    assert [complete(row, ada, form={"meter": 7}, comment="cellar"), complete(row, ada)] == [True, False]
    found = output(row.run_id)

    assert (wait.reason, wait.object_kind, wait.object_name) == (WaitReason.TASK, "people", f"group {group}")
    assert (found["completed"], found["by"], found["comment"]) == (True, ada.name, "cellar")
    assert found["form"] == {"meter": 7}
    kinds = [kind for kind in driving.trail(row.run_id) if kind.startswith("task.")]
    assert kinds == ["task.requested", "task.answered", "task.completed"]
    assert Run.objects.get(id=row.run_id).state == "succeeded"


def test_who_takes_it_has_it_until_it_is_given_back() -> None:
    group = people.group()
    ada, bob = people.person(group), people.person(group)
    row = ask(groups=[group])

    assert [act(operations.claim, row, ada), act(operations.claim, row, ada)] == [True, False]
    assert not human_queries.inbox(bob).filter(id=row.id).exists()
    assert human_queries.inbox(ada).filter(id=row.id).exists()
    for attempt in (lambda: act(operations.claim, row, bob), lambda: complete(row, bob)):
        with pytest.raises(ClaimRefused, match=f"{ada.name} has it"):
            attempt()
    with pytest.raises(ClaimRefused, match=f"{ada.name} has it"):
        act(operations.unclaim, row, bob)
    assert "has it" in automation("why", row.run_id)
    assert act(operations.unclaim, row, ada)
    assert complete(row, bob)
    assert output(row.run_id)["by"] == bob.name


def test_claim_of_somebody_who_may_not_do_it_any_more_binds_nobody() -> None:
    group = people.group()
    ada, bob = people.person(group), people.person(group)
    row = ask(groups=[group])
    act(operations.claim, row, ada)
    User.objects.get(pk=ada.id).groups.clear()

    assert human_queries.inbox(bob).filter(id=row.id).exists()
    assert act(operations.claim, row, bob)
    assert output_of_claim(row) == bob.name


def output_of_claim(row: HumanRequest) -> str:
    """This will name who has it."""
    row.refresh_from_db()
    return human_rights.claimer_of(row)


def test_two_who_take_it_at_the_same_moment_do_not_both_have_it() -> None:
    group = people.group()
    both = [people.person(group), people.person(group)]
    row = ask(groups=[group])
    barrier, refused = Barrier(2), list[WorkflowError]()

    def take(person: Person) -> None:
        barrier.wait(120)
        try:
            act(operations.claim, row, person)
        except ClaimRefused as error:
            refused.append(error)

    threads = [driving.aside(lambda person=person: take(person)) for person in both]  # type: ignore[misc]
    for thread in threads:
        thread.join(120)

    assert len(refused) == 1
    assert driving.trail(row.run_id).count("task.claimed") == 1


def test_claim_goes_with_the_say_and_who_is_not_asked_takes_nothing() -> None:
    ada, eve = people.person(), people.person()
    row = ask(users=[ada.name])
    with pytest.raises(NotAsked):
        act(operations.claim, row, eve)
    act(operations.claim, row, ada)
    given = operations.Handover(taker=eve, via="test")
    operations.delegate(request_id=row.id, giver=ada, given=given, actor=driving.TESTER, now=timezone.now())

    assert output_of_claim(row) == eve.name
    assert complete(row, eve)
    assert output(row.run_id)["for"] == [ada.name]


def test_overdue_is_told_once_and_expiry_fails_or_goes_on() -> None:
    ada = people.user()
    notify = [{"channel": "log", "recipient": "desk"}]
    rows = [
        ask(users=[ada.username], due="1h", expires="2h", on_expiry=end, notify=notify) for end in ("fail", "continue")
    ]
    for row in rows:
        driving.let_time_pass(row.run_id)
        driving.work(row.run_id)
        row.refresh_from_db()
        assert (row.state, row.overdue_at is not None) == ("open", True)
        driving.let_time_pass(row.run_id)
        driving.work(row.run_id)

    runs = [Run.objects.get(id=row.run_id) for row in rows]
    assert [run.state for run in runs] == ["failed", "succeeded"]
    assert runs[0].error["message"].startswith("nobody has done it until")
    assert output(rows[1].run_id) == {
        "completed": False,
        "expired": True,
        "by": None,
        "for": [],
        "at": None,
        "comment": "",
        "form": None,
    }
    told = Notification.objects.filter(about=str(rows[0].run_id)).values_list("data__occasion", flat=True)
    assert sorted(told) == ["expired", "opened", "overdue"]


def test_approval_is_not_taken_and_a_task_is_not_approved() -> None:
    ada = people.person()
    run_id = driving.begin({"ok": {"uses": "approval", "with": {"users": [ada.name]}}})
    driving.work(run_id)
    approval, task = HumanRequest.objects.get(run_id=run_id), ask(users=[ada.name])

    with pytest.raises(ClaimRefused, match="only tasks"):
        act(operations.claim, approval, ada)
    with pytest.raises(AnswerInvalid, match="must be complete"):
        complete(task, ada, choice=Choice.APPROVE)
    with pytest.raises(AnswerInvalid, match="must be approve or reject"):
        complete(approval, ada)


def test_page_takes_gives_back_and_completes() -> None:
    group = people.group()
    ada, bob = people.user(group, is_staff=True), people.user(group, is_staff=True)
    row = ask(groups=[group], title="Count the chairs", form=FORM, due="1d")
    page = reverse("admin:workflows_humanrequest_change", args=(row.id,))

    def press(user: User, button: str, **values: str) -> Any:  # Any: what the client gives
        return browser(user).post(reverse(f"admin:workflows_humanrequest_{button}", args=(row.id,)), values)

    before = browser(ada).get(page).content.decode()
    press(ada, "claim")
    mine, others = (browser(one).get(page).content.decode() for one in (ada, bob))
    press(bob, "decide", choice="complete")
    wrong = press(ada, "decide", choice="complete", **{"form.meter": "0"})
    press(ada, "unclaim")
    press(bob, "claim")
    done = press(bob, "decide", choice="complete", **{"form.meter": "12"})

    assert "Take it" in before
    assert "It is done" in before
    assert "Give it back" in mine
    assert f"{ada.username} has it" in others
    assert "It is done" not in others
    assert (wrong.status_code, done.status_code) == (422, 302)
    assert output(row.run_id)["by"] == bob.username


def test_api_and_command_take_complete_and_list() -> None:
    ada, bob = people.user(), people.user()
    row = ask(users=[ada.username, bob.username], title="Fill the tank", due="1d")
    token = api.client("runs:read", "answers:write")

    def post(action: str, **body: object) -> Any:  # Any: what the client adds
        return token.post(f"/api/v1/tasks/{row.id}/{action}", body, format="json")

    taken, refused = post("claim", as_user=ada.username), post("claim", as_user=bob.username)
    listed = token.get("/api/v1/tasks", {"run": str(row.run_id)}).json()["results"]
    told = automation("tasks", "list", "--user", ada.username)
    shown = automation("tasks", "show", row.id)
    back = automation("tasks", "unclaim", row.id, "--as-user", ada.username)
    automation("tasks", "claim", row.id, "--as-user", bob.username)
    done = post("complete", as_user=bob.username, comment="full")

    assert [one.status_code for one in (taken, refused, done)] == [200, 409, 200]
    assert refused.json()["type"].endswith(":claim-refused")
    assert (listed[0]["claimed_by"], listed[0]["kind"]) == (ada.username, "task")
    assert token.get(f"/api/v1/approvals/{row.id}").status_code == 404
    assert "Fill" in told
    assert f"taken by {ada.username}" in shown
    assert "given back" in back
    assert done.json()["output"]["comment"] == "full"


def test_link_completes_a_task_unless_somebody_else_has_it() -> None:
    ada, bob = people.user(), people.user()
    row = ask(users=[ada.username, bob.username])
    person = human_rights.person_of(ada)
    _, url = operations.make_link(request_id=row.id, person=person, actor=driving.TESTER, now=timezone.now())
    path = "/answer/" + url.rpartition("/")[2]
    act(operations.claim, row, human_rights.person_of(bob))

    taken = Browser().get(path)
    refused = Browser().post(path, {"choice": "complete"})
    act(operations.unclaim, row, human_rights.person_of(bob))
    done = Browser().post(path, {"choice": "complete"})

    assert f"{bob.username} is on it" in taken.content.decode()
    assert (refused.status_code, done.status_code) == (409, 303)
    assert output(row.run_id)["by"] == ada.username
