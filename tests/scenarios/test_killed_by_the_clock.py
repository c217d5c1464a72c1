"""Everybody killed at the instant that something is due: people are asked and told once, and runs end once."""

from collections.abc import Iterator, Mapping
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from integrations.models import Notification
from tests.flows.driving import TESTER, begin, publish, start, trail, wait_for_end
from tests.scenarios.killing import Play, Scene, Stage, Troupe, killed, output_of
from tests.support import people
from tests.support.waiting import wait_until
from workflows import operations
from workflows.core.voting import Choice
from workflows.human_rights import Person
from workflows.models import Activation, DeadLetter, HumanRequest

DESK = [{"channel": "log", "recipient": "desk"}]


def _asked(on: Stage, kind: str, *, uses: str = "approval", at: Mapping[str, object], **inputs: object) -> UUID:
    steps = {"ok": {"uses": uses, "with": {"notify": DESK, **inputs}}}
    return on.begin(steps, kind, at=at)


def _told(run_id: UUID) -> list[str]:
    """The occasions on which somebody was told, in the order of their names, each of them sent."""
    rows = Notification.objects.filter(about=str(run_id)).order_by("data__occasion")
    wait_until(lambda: not rows.exclude(state="sent").exists(), what="all messages are sent")
    return list(rows.values_list("data__occasion", flat=True))


def _answer(run_id: UUID, person: Person, choice: Choice = Choice.APPROVE, form: object = None) -> None:
    given = operations.Answer(choice=choice, form=form, via="test")  # type: ignore[arg-type]  # JSON
    request = HumanRequest.objects.get(run_id=run_id)
    operations.answer(request_id=request.id, person=person, given=given, actor=TESTER, now=timezone.now())


def escalation_is_one(on: Stage) -> Scene:
    """More people are asked once, and told of it once."""
    ada, bob = people.person(), people.person()
    later = [{"after": "200ms", "users": [bob.name]}]
    run_id = _asked(on, "approval.escalated", at={}, users=[ada.name], escalate=later)
    yield
    wait_until(lambda: HumanRequest.objects.get(run_id=run_id).escalated == 1, what="it is escalated")
    _answer(run_id, bob)
    wait_for_end(run_id)
    assert HumanRequest.objects.get(run_id=run_id).users == [ada.name, bob.name]
    assert trail(run_id).count("approval.escalated") == trail(run_id).count("approval.requested") == 1
    assert _told(run_id) == ["escalated", "opened"]


def reminder_is_one(on: Stage) -> Scene:
    """Who has not answered is reminded once."""
    ada = people.person()
    run_id = _asked(on, "approval.told", at={"occasion": "reminded"}, users=[ada.name], remind=["200ms"])
    yield
    wait_until(lambda: HumanRequest.objects.get(run_id=run_id).reminded == 1, what="they are reminded")
    _answer(run_id, ada)
    wait_for_end(run_id)
    assert _told(run_id) == ["opened", "reminded"]


def expiry_is_one(on: Stage) -> Scene:
    """A decision that does not come in time comes to one outcome."""
    run_id = _asked(on, "approval.expired", at={}, users=[people.person().name], expires="200ms")
    yield
    wait_for_end(run_id)
    output = output_of(run_id, "ok")
    assert (output["approved"], output["expired"]) == (False, True)
    assert (trail(run_id).count("approval.expired"), _told(run_id)) == (1, ["expired", "opened"])


def task_is_overdue_once(on: Stage) -> Scene:
    """A task that is late is said to be so once, and goes on."""
    ada = people.person()
    run_id = _asked(on, "task.overdue", uses="task", at={}, users=[ada.name], due="200ms")
    yield
    late = HumanRequest.objects.filter(run_id=run_id, overdue_at__isnull=False)
    wait_until(late.exists, what="it is overdue")
    _answer(run_id, ada, Choice.COMPLETE)
    (run,) = wait_for_end(run_id)
    assert (run.state, trail(run_id).count("task.overdue"), _told(run_id)) == ("succeeded", 1, ["opened", "overdue"])


def answer_of_a_delegate_counts_once(on: Stage) -> Scene:
    """What somebody answered for somebody else is not lost with the worker that goes on with it."""
    ada, eve = people.person(), people.person()
    form = {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}}
    run_id = begin({"ok": {"uses": "approval", "with": {"users": [ada.name], "form": form}}})
    asks = Activation.objects.filter(run_id=run_id, wait_reason="approval")
    wait_until(asks.exists, what="it asks")
    on.stop("step.succeeded", run_id, step="ok")
    request = HumanRequest.objects.get(run_id=run_id)
    handed = operations.Handover(taker=eve, via="test")
    operations.delegate(request_id=request.id, giver=ada, given=handed, actor=TESTER, now=timezone.now())
    _answer(run_id, eve, form={"code": "C7"})
    yield
    wait_for_end(run_id)
    output = output_of(run_id, "ok")
    assert output["form"] == {"code": "C7"}
    assert [(one["by"], one["for"]) for one in output["decisions"]] == [(eve.name, [ada.name])]
    assert trail(run_id).count("approval.answered") == trail(run_id).count("approval.approved") == 1


def deadline_fails_once(on: Stage) -> Scene:
    """A run that is too late fails once, with one dead letter, and is told of once."""
    rest = {"rest": {"uses": "wait", "with": {"for": "1d"}}}
    deadline = {"after": "500ms", "action": "fail", "notify": DESK}
    run_id = on.begin(rest, "run.failed", at={}, deadline=deadline)
    yield
    (run,) = wait_for_end(run_id)
    assert run.error is not None
    assert (run.state, run.error["kind"]) == ("failed", "deadline")
    assert (DeadLetter.objects.filter(run_id=run_id).count(), len(_told(run_id))) == (1, 1)


def deadline_from_history_cancels_once(on: Stage) -> Scene:
    """A run that takes far longer than those before it is cancelled once."""
    rule = {"median": 3, "of": 2, "at_least": 2, "min": "500ms", "action": "cancel"}
    workflow = publish({"rest": {"uses": "wait", "with": {"for": "${{ input }}"}}}, deadline=rule)
    wait_for_end(*(start(workflow, value="1ms") for _ in range(2)))
    with transaction.atomic():
        run_id = start(workflow, value="1d")
        on.stop("run.cancelled", run_id)
    yield
    (run,) = wait_for_end(run_id)
    assert run.error is not None
    assert (run.state, run.error["kind"]) == ("cancelled", "deadline")
    assert trail(run_id).count("run.cancelled") == 1
    assert not Activation.objects.filter(run_id=run_id).exists()


PLAYS: Mapping[str, Play] = {
    play.__name__: play
    for play in (
        escalation_is_one,
        reminder_is_one,
        expiry_is_one,
        task_is_overdue_once,
        answer_of_a_delegate_counts_once,
    )
}
LATEST: Mapping[bool, Play] = {False: deadline_fails_once, True: deadline_from_history_cancels_once}
"""What schedulers do by themselves; who stands still there dispatches nothing more, so it comes last."""


@pytest.fixture(scope="module", params=[False, True], ids=["before_commit", "behind_commit"])
def fallen(request: pytest.FixtureRequest, troupe: Troupe, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """This will be all plays behind the death of everybody."""
    directory, plays = tmp_path_factory.mktemp("stage"), {**PLAYS, "deadline": LATEST[request.param]}
    with killed(plays, troupe=troupe, directory=directory, is_kept=request.param) as made:
        yield made


@pytest.mark.parametrize("play", [*PLAYS, "deadline"])
def test_what_was_due_is_done_once(fallen: Stage, play: str) -> None:
    fallen.judge(play)
