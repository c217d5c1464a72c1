"""The step `approval`: who may decide, how many must, once each, until when; and what the step comes to."""

from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from audit.events import Actor, ActorKind
from tests.flows import driving
from tests.support import people
from workflows import explaining, human_queries, human_rights, inspection, operations
from workflows.core.retry_plan import RetryFrom
from workflows.core.states import WaitReason
from workflows.core.voting import Choice
from workflows.errors import WorkflowError
from workflows.human_errors import AlreadyAnswered, AnswerInvalid, NotAsked, RequestClosed
from workflows.human_rights import Person
from workflows.models import Activation, Attempt, HumanAnswer, HumanRequest, Item, Run, Step

pytestmark = pytest.mark.usefixtures("database")
FORM = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer", "minimum": 1}}}


def ask(*, value: Any = None, **inputs: object) -> UUID:  # Any: JSON
    """This will begin a run that asks, and have it ask."""
    run_id = driving.begin({"ok": {"uses": "approval", "with": inputs}}, value=value)
    driving.work(run_id)
    return run_id


def request_of(run_id: UUID) -> HumanRequest:
    """This will give the newest request of a run."""
    return HumanRequest.objects.filter(run_id=run_id).latest("id")


def give(run_id: UUID, person: Person, choice: Choice = Choice.APPROVE, **more: Any) -> bool:  # Any: the fields
    """This will have somebody answer; tells whether the answer is new."""
    now = more.pop("now", None) or timezone.now()
    given = operations.Answer(choice=choice, via="test", **more)
    actor = Actor(kind=ActorKind.USER, id=person.id)
    row = request_of(run_id)
    return operations.answer(request_id=row.id, person=person, given=given, actor=actor, now=now)[1]


def output(run_id: UUID) -> Any:  # Any: JSON
    """This will give the output of the approval, when all that is due is done."""
    driving.work(run_id)
    return Step.objects.get(run_id=run_id, step="ok").output


def test_approval_waits_as_a_row_that_names_who_is_asked_and_until_when() -> None:
    ada, group = people.person(), people.group()
    run_id = ask(users=[ada.name], groups=[group], expires="3d", title="Pay?")

    (wait,) = inspection.waits_of(Run.objects.get(id=run_id))

    assert (wait.reason, wait.object_kind) == (WaitReason.APPROVAL, "approvers")
    assert wait.object_name == f"{ada.name}, group {group}"
    assert wait.due_at is not None
    assert timedelta(days=2, hours=23) < wait.due_at - timezone.now() <= timedelta(days=3)
    assert (Activation.objects.get(run_id=run_id).owner, request_of(run_id).title) == ("", "Pay?")


def test_two_of_three_decide_and_the_output_says_who_with_what() -> None:
    group = people.group()
    ada, bob = people.person(group), people.person(group)
    run_id = ask(groups=[group], approvers=2, form=FORM)

    give(run_id, ada, form={"amount": 5}, comment="fine")
    first = Activation.objects.get(run_id=run_id).state
    give(run_id, bob, form={"amount": 7})
    found = output(run_id)

    assert first == "waiting"
    assert (found["approved"], found["expired"], found["form"]) == (True, False, {"amount": 7})
    assert [(one["by"], one["decision"], one["comment"]) for one in found["decisions"]] == [
        (ada.name, "approve", "fine"),
        (bob.name, "approve", ""),
    ]
    assert not Attempt.objects.filter(run_id=run_id).exists()


def test_every_decision_is_audited_with_who_when_and_the_digest_of_what_was_seen() -> None:
    ada = people.person()
    run_id = ask(users=[ada.name], show={"total": 12.5}, title="Pay ${{ input.who }}", value={"who": "eve"})
    row = request_of(run_id)

    give(run_id, ada, comment="ok")
    output(run_id)

    assert (row.title, row.show) == ("Pay eve", {"total": 12.5})
    (told,) = driving.trail_of(run_id, "approval.answered")
    assert (told["digest"], told["person"], told["choice"], told["comment"]) == (row.digest, ada.id, "approve", "ok")
    assert [kind for kind in driving.trail(run_id) if kind.startswith("approval")] == [
        "approval.requested",
        "approval.answered",
        "approval.approved",
    ]


def test_first_rejection_decides_and_the_run_goes_on_with_it() -> None:
    ada, bob = people.person(), people.person()
    run_id = ask(users=[ada.name, bob.name], approvers=2)

    give(run_id, ada)
    give(run_id, bob, Choice.REJECT, comment="too much")

    assert output(run_id)["approved"] is False
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_rejection_fails_the_step_where_it_shall_and_a_requeue_asks_anew() -> None:
    ada = people.person()
    run_id = ask(users=[ada.name], on_reject="fail")
    give(run_id, ada, Choice.REJECT, comment="no")
    driving.work(run_id)
    run = Run.objects.get(id=run_id)

    assert (run.state, run.error["message"]) == ("failed", f"it was rejected by {ada.name}: no")

    letter = run.dead_letters.get()
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=driving.TESTER, now=timezone.now())
    driving.work(run_id)
    give(run_id, ada)

    assert output(run_id)["approved"] is True
    assert HumanRequest.objects.filter(run_id=run_id).count() == 2


def test_who_started_the_run_may_not_decide_unless_it_is_allowed() -> None:
    ada = people.person()
    steps = [{"ok": {"uses": "approval", "with": {"users": [ada.name], "self_approval": x}}} for x in (False, True)]
    ids = []
    for one in steps:
        start = operations.Start(input=None)
        started = operations.start_run(
            workflow=driving.publish(one),
            start=start,
            actor=Actor(kind=ActorKind.USER, id=ada.id),
            now=timezone.now(),
        )
        ids.append(started.run_id)
    driving.work(*ids)

    with pytest.raises(NotAsked, match="started the run"):
        give(ids[0], ada)
    assert give(ids[1], ada)
    assert not human_queries.inbox(ada).exists()


def test_who_started_the_run_above_may_not_decide_either() -> None:
    ada = people.person()
    below = driving.publish({"ok": {"uses": "approval", "with": {"users": [ada.name]}}})
    above = driving.publish({"call": {"uses": "workflow", "with": {"name": below}}})
    actor = Actor(kind=ActorKind.USER, id=ada.id)
    start = operations.Start(input=None)
    run_id = operations.start_run(workflow=above, start=start, actor=actor, now=timezone.now()).run_id
    driving.work(run_id)
    child = Run.objects.get(workflow_name=below).id
    driving.work(child)

    with pytest.raises(NotAsked, match="started the run"):
        give(child, ada)


def test_retry_makes_nobody_a_stranger_to_what_he_started() -> None:
    ada, bob, eve = people.person(), people.person(), people.person()
    names = [ada.name, bob.name, eve.name]
    workflow = driving.publish({"ok": {"uses": "approval", "with": {"users": names, "on_reject": "fail"}}})
    first, second = (Actor(kind=ActorKind.USER, id=one.id) for one in (ada, bob))
    start = operations.Start(input=None)
    run_id = operations.start_run(workflow=workflow, start=start, actor=first, now=timezone.now()).run_id
    driving.work(run_id)
    give(run_id, eve, Choice.REJECT)
    driving.work(run_id)
    wanted = operations.RetryWanted(start=RetryFrom.START)
    again = operations.retry_run(run_id=run_id, wanted=wanted, actor=second, now=timezone.now()).run_id
    driving.work(again)

    for person in (ada, bob):
        with pytest.raises(NotAsked, match="started the run"):
            give(again, person)
    assert give(again, eve)


def test_everybody_whose_start_was_gathered_into_the_run_started_it() -> None:
    ada, bob, eve = people.person(), people.person(), people.person()
    names = [ada.name, bob.name, eve.name]
    steps = {"ok": {"uses": "approval", "with": {"users": names}}}
    workflow = driving.publish(steps, batch={"size": 2, "timeout": "10m"})
    start = operations.Start(input=None)
    for one in (ada, bob):
        actor = Actor(kind=ActorKind.USER, id=one.id)
        run_id = operations.start_run(workflow=workflow, start=start, actor=actor, now=timezone.now()).run_id
    driving.work(run_id)

    for one in (ada, bob):
        with pytest.raises(NotAsked, match="started the run"):
            give(run_id, one)
    assert give(run_id, eve)


def test_membership_counts_as_it_is_at_the_time_of_the_answer() -> None:
    group = people.group()
    ada, bob = people.person(), people.person(group)
    run_id = ask(groups=[group])
    User.objects.get(pk=ada.id).groups.add(Group.objects.get(name=group))
    User.objects.get(pk=bob.id).groups.clear()

    with pytest.raises(NotAsked, match=f"group {group}"):
        give(run_id, bob)
    assert give(run_id, ada)


def test_group_with_too_few_members_is_told_until_it_has_enough() -> None:
    group = people.group()
    people.person(group)
    run_id = ask(groups=[group], approvers=2)
    row = request_of(run_id)

    before = (row in human_queries.out_of_reach(limit=10_000), explaining.explain(Run.objects.get(id=run_id)).summary)
    people.person(group)
    after = (row in human_queries.out_of_reach(limit=10_000), explaining.explain(Run.objects.get(id=run_id)).summary)

    assert before[0]
    assert "too few people can answer" in before[1]
    assert not after[0]
    assert "too few" not in after[1]


def test_user_who_is_not_active_may_not_answer() -> None:
    ada, bob = people.person(), people.person()
    run_id = ask(users=[ada.name, bob.name])
    User.objects.filter(pk=ada.id).update(is_active=False)

    with pytest.raises(NotAsked):
        give(run_id, ada)
    assert human_rights.who_may_answer(request_of(run_id), limit=5) == [bob.name]


def test_same_answer_again_changes_nothing_and_another_one_is_refused() -> None:
    ada, bob = people.person(), people.person()
    run_id = ask(users=[ada.name, bob.name], approvers=2)

    assert [give(run_id, ada), give(run_id, ada)] == [True, False]
    with pytest.raises(AlreadyAnswered):
        give(run_id, ada, Choice.REJECT)
    assert HumanAnswer.objects.filter(run_id=run_id).count() == 1


@pytest.mark.parametrize("form", [None, {}, {"amount": 0}, {"amount": "x"}])
def test_form_that_does_not_fit_is_refused_at_its_place(form: Any) -> None:  # Any: JSON
    ada = people.person()
    run_id = ask(users=[ada.name], form=FORM)

    with pytest.raises(AnswerInvalid) as caught:
        give(run_id, ada, form=form)

    assert caught.value.problems[0].path.startswith("$.form")
    assert not HumanAnswer.objects.filter(run_id=run_id).exists()


@pytest.mark.parametrize(
    ("on_expiry", "state", "approved"), [("reject", "succeeded", False), ("approve", "succeeded", True)]
)
def test_expiry_comes_to_what_was_declared(on_expiry: str, state: str, approved: bool) -> None:
    run_id = ask(users=[people.person().name], expires="2h", on_expiry=on_expiry)

    driving.let_time_pass(run_id)

    found = output(run_id)
    assert (found["approved"], found["expired"], found["decisions"]) == (approved, True, [])
    assert Run.objects.get(id=run_id).state == state
    assert driving.trail(run_id).count("approval.expired") == 1


def test_expiry_can_fail_the_step() -> None:
    run_id = ask(users=[people.person().name], expires="2h", on_expiry="fail")

    driving.let_time_pass(run_id)
    driving.work(run_id)

    run = Run.objects.get(id=run_id)
    assert run.state == "failed"
    assert run.error["message"].startswith("nobody decided until")


def test_answer_at_the_instant_of_the_expiry_comes_too_late_even_before_the_step_has_noticed() -> None:
    ada = people.person()
    run_id = ask(users=[ada.name], expires="2h")
    row = request_of(run_id)

    with pytest.raises(RequestClosed, match="could be answered until"):
        give(run_id, ada, now=row.expires_at)
    assert give(run_id, ada, now=row.expires_at - timedelta(microseconds=1))


def test_escalation_asks_more_people_when_its_time_has_come() -> None:
    ada, boss = people.person(), people.group()
    eve = people.person(boss)
    run_id = ask(users=[ada.name], escalate=[{"after": "1d", "groups": [boss]}], expires="3d")

    with pytest.raises(NotAsked):
        give(run_id, eve)
    driving.let_time_pass(run_id)
    driving.work(run_id)

    (wait,) = inspection.waits_of(Run.objects.get(id=run_id))
    assert wait.object_name == f"{ada.name}, group {boss}"
    assert driving.trail(run_id).count("approval.escalated") == 1
    assert give(run_id, eve)
    assert output(run_id)["approved"] is True


def test_cancel_withdraws_the_request_and_late_answers_are_refused() -> None:
    ada = people.person()
    run_id = ask(users=[ada.name])

    operations.cancel_run(run_id=run_id, actor=driving.TESTER, now=timezone.now())

    assert request_of(run_id).state == "withdrawn"
    assert not human_queries.inbox(ada).exists()
    with pytest.raises(RequestClosed, match="withdrawn"):
        give(run_id, ada)
    assert driving.trail(run_id).count("approval.withdrawn") == 1


def test_unknown_people_fail_the_step_at_once() -> None:
    run = driving.finish({"ok": {"uses": "approval", "with": {"users": ["nobody"], "groups": ["no such"]}}})

    assert run.state == "failed"
    assert run.error["message"] == (
        "nobody can be asked who is not there: there is no user 'nobody', no group 'no such'"
    )


def test_items_are_asked_about_one_by_one() -> None:
    ada = people.person()
    steps = {"ok": {"uses": "approval", "with": {"users": [ada.name], "title": "${{ item }}"}, "for_each": ["a", "b"]}}
    run_id = driving.begin({"ok": {**steps["ok"], "parallel": 2}})
    driving.work(run_id)
    rows = list(human_queries.inbox(ada).filter(run_id=run_id))

    for row, choice in zip(rows, (Choice.APPROVE, Choice.REJECT), strict=True):
        given = operations.Answer(choice=choice, via="test")
        operations.answer(request_id=row.id, person=ada, given=given, actor=driving.TESTER, now=timezone.now())
        driving.work(run_id)

    assert [row.title for row in rows] == ["a", "b"]
    items = Item.objects.filter(run_id=run_id).order_by("index")
    assert [one["approved"] for one in items.values_list("output", flat=True)] == [True, False]
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_two_people_at_the_same_moment_are_both_counted() -> None:
    ada, bob = people.person(), people.person()
    run_id = ask(users=[ada.name, bob.name], approvers=2)
    barrier = Barrier(2)

    def vote(person: Person) -> None:
        barrier.wait(120)
        give(run_id, person)

    threads = [driving.aside(lambda person=person: vote(person)) for person in (ada, bob)]  # type: ignore[misc]
    for thread in threads:
        thread.join(120)

    assert output(run_id)["approved"] is True
    assert driving.trail(run_id).count("approval.approved") == 1


def test_answer_beside_a_cancel_is_counted_or_refused_and_never_both() -> None:
    ada = people.person()
    for _ in range(5):
        run_id = ask(users=[ada.name])
        barrier, refused = Barrier(2), list[WorkflowError]()

        def vote(run_id: UUID = run_id, barrier: Barrier = barrier, refused: list[WorkflowError] = refused) -> None:
            barrier.wait(120)
            try:
                give(run_id, ada)
            except RequestClosed as error:
                refused.append(error)

        thread = driving.aside(vote)
        barrier.wait(120)
        operations.cancel_run(run_id=run_id, actor=driving.TESTER, now=timezone.now())
        thread.join(120)
        driving.work(run_id)

        assert Run.objects.get(id=run_id).state == "cancelled"
        assert request_of(run_id).state == ("withdrawn" if refused else "approved")
        assert HumanAnswer.objects.filter(run_id=run_id).count() == (0 if refused else 1)
