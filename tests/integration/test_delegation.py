"""Delegation: a say goes to somebody else, is used once, and never comes to who started the run."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from audit.events import Actor, ActorKind
from tests.flows import driving
from tests.support import api, people
from tests.support.admin_pages import browser
from tests.support.guide import automation
from workflows import human_queries, human_rights, operations
from workflows.core.voting import Choice
from workflows.human_errors import DelegationRefused, NotAsked, RequestClosed
from workflows.human_rights import Person
from workflows.models import HumanDelegation, HumanRequest, Step


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def ask(**inputs: object) -> HumanRequest:
    """This will begin a run that asks, and give its request."""
    run_id = driving.begin({"ok": {"uses": "approval", "with": inputs}})
    driving.work(run_id)
    return request_of(run_id)


def request_of(run_id: UUID) -> HumanRequest:
    """This will give the newest request of a run."""
    return HumanRequest.objects.filter(run_id=run_id).latest("id")


def hand(row: HumanRequest, giver: Person, taker: Person, reason: str = "") -> bool:
    """This will have somebody hand the say over; tells whether that is new."""
    given = operations.Handover(taker=taker, reason=reason, via="test")
    actor = Actor(kind=ActorKind.USER, id=giver.id)
    return operations.delegate(request_id=row.id, giver=giver, given=given, actor=actor, now=timezone.now())[1]


def approve(row: HumanRequest, person: Person) -> bool:
    """This will have somebody approve; tells whether the answer is new."""
    given = operations.Answer(choice=Choice.APPROVE, via="test")
    actor = Actor(kind=ActorKind.USER, id=person.id)
    return operations.answer(request_id=row.id, person=person, given=given, actor=actor, now=timezone.now())[1]


def test_taker_decides_for_the_giver_and_the_trail_says_who_saw_what() -> None:
    group = people.group()
    ada, eve = people.person(group), people.person()
    row = ask(groups=[group], show={"total": 7})

    assert [hand(row, ada, eve, "on holiday"), hand(row, ada, eve)] == [True, False]
    assert not human_queries.inbox(ada).exists()
    assert list(human_queries.inbox(eve)) == [row]
    with pytest.raises(NotAsked, match=f"handed to {eve.name}"):
        approve(row, ada)
    approve(row, eve)
    driving.work(row.run_id)

    (decision,) = Step.objects.get(run_id=row.run_id, step="ok").output["decisions"]
    assert (decision["by"], decision["for"]) == (eve.name, [ada.name])
    (told,) = driving.trail_of(row.run_id, "approval.delegated")
    assert (told["giver"], told["taker"], told["reason"]) == (ada.id, eve.id, "on holiday")
    assert told["digest"] == row.digest
    (answered,) = driving.trail_of(row.run_id, "approval.answered")
    assert answered["behalf"] == [ada.name]


def test_say_that_was_handed_on_comes_along_and_can_come_back() -> None:
    ada, bob, eve = people.person(), people.person(), people.person()
    row = ask(users=[ada.name])

    hand(row, ada, bob)
    hand(row, bob, eve)
    at_the_end = human_rights.held(row, person=eve)
    hand(row, eve, ada)

    assert at_the_end == (ada.name,)
    assert human_rights.who_may_answer(row, limit=5) == [ada.name]
    assert approve(row, ada)


def test_say_never_comes_to_who_started_the_run_not_even_over_others() -> None:
    ada, bob, eve = people.person(), people.person(), people.person()
    workflow = driving.publish({"ok": {"uses": "approval", "with": {"users": [bob.name]}}})
    actor = Actor(kind=ActorKind.USER, id=ada.id)
    start = operations.Start(input=None)
    run_id = operations.start_run(workflow=workflow, start=start, actor=actor, now=timezone.now()).run_id
    driving.work(run_id)
    row = request_of(run_id)
    hand(row, bob, eve)

    with pytest.raises(DelegationRefused, match="started the run"):
        hand(row, eve, ada)
    assert not human_queries.inbox(ada).exists()


def test_used_say_is_not_handed_on_and_none_goes_to_who_has_answered() -> None:
    ada, bob, eve = people.person(), people.person(), people.person()
    row = ask(users=[ada.name, bob.name], approvers=2)
    approve(row, ada)

    with pytest.raises(DelegationRefused, match="has answered"):
        hand(row, ada, eve)
    with pytest.raises(DelegationRefused, match="answered already"):
        hand(row, bob, ada)
    with pytest.raises(NotAsked):
        hand(row, eve, bob)
    assert not HumanDelegation.objects.filter(request=row).exists()


def test_so_many_different_people_stay_as_it_takes() -> None:
    ada, bob, eve = people.person(), people.person(), people.person()
    row = ask(users=[ada.name, bob.name], approvers=2)

    with pytest.raises(DelegationRefused, match="it takes 2 different people"):
        hand(row, ada, bob)
    assert hand(row, ada, eve)


def test_definition_can_forbid_it_and_what_is_closed_stays() -> None:
    ada, eve = people.person(), people.person()
    forbidden, closed = ask(users=[ada.name], delegation=False), ask(users=[ada.name], approvers=1)
    approve(closed, ada)

    with pytest.raises(DelegationRefused, match="definition"):
        hand(forbidden, ada, eve)
    with pytest.raises(RequestClosed):
        hand(closed, ada, eve)


def test_who_has_left_the_group_takes_along_what_was_handed_on() -> None:
    group = people.group()
    ada, eve = people.person(group), people.person()
    row = ask(groups=[group])
    hand(row, ada, eve)
    User.objects.get(pk=ada.id).groups.clear()

    with pytest.raises(NotAsked):
        approve(row, eve)
    assert not human_queries.inbox(eve).exists()
    assert human_queries.concerning(eve).filter(id=row.id).exists()


def test_page_api_and_command_hand_over() -> None:
    ada, bob, eve = people.user(is_staff=True), people.user(is_staff=True), people.user(is_staff=True)
    row = ask(users=[ada.username], title="Pay?")
    page = reverse("admin:workflows_humanrequest_change", args=(row.id,))
    target = reverse("admin:workflows_humanrequest_delegate", args=(row.id,))
    token = api.client("runs:read", "answers:write")

    before = browser(ada).get(page).content.decode()
    browser(ada).post(target, {"to": "nobody there"})
    browser(ada).post(target, {"to": bob.username, "reason": "away"})
    after = browser(ada).get(page).content.decode()
    wanted = {"as_user": bob.username, "to": eve.username}
    handed = token.post(f"/api/v1/approvals/{row.id}/delegate", wanted, format="json")
    refused = token.post(f"/api/v1/approvals/{row.id}/delegate", {**wanted, "to": bob.username}, format="json")
    told = automation("approvals", "delegate", row.id, "--as-user", eve.username, "--to", ada.username)

    assert "Hand over to somebody else" in before
    assert "You have handed your say over" in after
    assert "away" in after
    assert [one["taker"] for one in handed.json()["delegations"]] == [bob.username, eve.username]
    assert refused.status_code == 403
    assert f"went to {ada.username}" in told
    assert f"{eve.username} handed the say to {ada.username}" in automation("approvals", "show", row.id)
    assert HumanDelegation.objects.filter(request=row).count() == 3
