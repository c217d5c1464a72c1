"""`notify` of an approval: who is told on which occasion, once, with a link that is that person's own."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from audit.events import Actor, ActorKind
from integrations.models import Notification
from integrations.notifications import addresses
from tests.flows import driving
from tests.support import people
from tests.support.admin_pages import Browser
from workflows import human_rights, operations
from workflows.core.voting import Choice
from workflows.models import HumanAnswer, HumanLink, HumanRequest, Run

EVERYBODY = [{"channel": "mail"}]


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


def somebody(*groups: str) -> User:
    """This will be a new user with a mail address."""
    user = people.user(*groups)
    user.email = f"{user.username}@example.org"
    user.save()
    return user


def ask(**inputs: object) -> HumanRequest:
    """This will begin a run that asks, and give its request."""
    run_id = driving.begin({"ok": {"uses": "approval", "with": inputs}})
    driving.work(run_id)
    return HumanRequest.objects.get(run_id=run_id)


def told(row: HumanRequest) -> list[tuple[str, str]]:
    """This will give which occasion was told to whom, in order."""
    rows = Notification.objects.filter(about=str(row.run_id)).order_by("created_at", "key")
    return [(one.data["occasion"], one.recipient) for one in rows]


def hand(row: HumanRequest, giver: User, taker: User) -> None:
    """This will have somebody hand the say over."""
    given = operations.Handover(taker=human_rights.person_of(taker), via="test")
    actor = Actor(kind=ActorKind.USER, id=str(giver.pk))
    one = human_rights.person_of(giver)
    operations.delegate(request_id=row.id, giver=one, given=given, actor=actor, now=timezone.now())


def pass_time(row: HumanRequest) -> None:
    """This will let the next instant come, and look."""
    driving.let_time_pass(row.run_id)
    driving.work(row.run_id)


def test_those_who_may_answer_are_mailed_a_link_each_and_can_answer_by_it() -> None:
    group = people.group()
    ada, bob = somebody(group), somebody(group)
    row = ask(groups=[group], title="Pay?", notify=EVERYBODY)

    driving.work(row.run_id)
    assert sorted(told(row)) == sorted([("opened", ada.email), ("opened", bob.email)])
    mail = Notification.objects.get(about=str(row.run_id), recipient=ada.email)
    assert mail.subject == "Approval for you: Pay?"
    assert "~" not in mail.text
    (path,) = re.findall(r"https?://[^/]+(/answer/\S+)", addresses.filled(mail.text))
    assert Browser().post(path, {"choice": "approve"}).status_code == 303
    assert HumanAnswer.objects.get(request=row).person == str(ada.pk)
    assert HumanLink.objects.filter(request=row).count() == 2


def test_occasions_come_in_their_turn_each_once() -> None:
    ada, boss, eve = somebody(), somebody(), somebody()
    row = ask(
        users=[ada.username],
        remind=["1h"],
        escalate=[{"after": "2h", "users": [boss.username]}],
        expires="3h",
        notify=[*EVERYBODY, {"channel": "log", "recipient": "desk", "on": ["opened", "expired", "decided"]}],
    )
    pass_time(row)
    hand(row, ada, eve)
    pass_time(row)
    pass_time(row)

    assert set(told(row)) == {
        ("opened", ada.email),
        ("opened", "desk"),
        ("reminded", ada.email),
        ("delegated", eve.email),
        ("escalated", boss.email),
        ("expired", boss.email),
        ("expired", eve.email),
        ("expired", "desk"),
    }
    assert len(told(row)) == len(set(told(row)))
    ended = Notification.objects.filter(about=str(row.run_id), data__occasion="expired")
    assert not any("/answer/" in one.text for one in ended)


def test_who_cannot_be_reached_is_named_and_stops_nothing() -> None:
    ada, bob = people.user(), somebody()
    row = ask(users=[ada.username, bob.username], notify=EVERYBODY)

    (event,) = driving.trail_of(row.run_id, "approval.told")
    assert (event["occasion"], event["told"], event["untold"]) == ("opened", 1, [ada.username])
    assert row.state == "open"


def test_recipient_gets_no_link_and_decided_is_told_to_who_wants_it() -> None:
    ada = somebody()
    row = ask(users=[ada.username], notify=[{"channel": "log", "recipient": "desk", "on": ["opened", "decided"]}])
    given = operations.Answer(choice=Choice.APPROVE, via="test")
    person = human_rights.person_of(ada)
    operations.answer(request_id=row.id, person=person, given=given, actor=driving.TESTER, now=timezone.now())

    assert told(row) == [("opened", "desk"), ("decided", "desk")]
    texts = Notification.objects.filter(about=str(row.run_id)).values_list("text", flat=True)
    assert not any("/answer/" in text for text in texts)
    assert not HumanLink.objects.filter(request=row).exists()


def test_what_people_wrote_becomes_no_link_of_others() -> None:
    ada = somebody()
    first = ask(users=[ada.username], notify=EVERYBODY)
    link = HumanLink.objects.get(request=first)
    mark = f"[[signed:/answer/{link.id}]]"
    spy = somebody()
    row = ask(users=[spy.username], title=f"Look {mark}", description=mark, notify=EVERYBODY)

    sent = addresses.filled(Notification.objects.get(about=str(row.run_id)).text)
    assert f"{link.id}~" not in sent


@pytest.mark.parametrize(
    ("notify", "problem"),
    [
        ([{"channel": "mail", "recipient": "${{ 'no' + 'body' }}"}], "no mail address"),
        ([{"channel": "${{ 'pig' + 'eon' }}", "recipient": "roof"}], "known are log, mail, webhook"),
    ],
)
def test_computed_recipient_that_nothing_reaches_fails_the_step(notify: object, problem: str) -> None:
    ada = somebody()
    run = driving.finish({"ok": {"uses": "approval", "with": {"users": [ada.username], "notify": notify}}})

    assert run.state == "failed"
    assert problem in Run.objects.get(id=run.id).error["message"]
