"""A call that has no room now: the step waits and says for what, and spends neither an attempt nor its budget."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from integrations import operations as integrations
from integrations.errors import Postponed, Unavailable
from tests.flows import driving
from workflows import inspection
from workflows.core.states import WaitReason
from workflows.models import Activation, Attempt, Item, Run, Step

pytestmark = pytest.mark.usefixtures("database")
RETRY = {"attempts": 2, "first": "0s", "jitter": "none", "budget": "1m"}
STEPS = {"pay": {"uses": "http.request", "with": {"method": "POST", "url": "https://pay.test/"}, "retry": RETRY}}
LINES = {"for_each": [1, 2, 3], "uses": "http.request", "with": {"url": "https://pay.test/${{ item }}"}}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Exception | str]:
    """This will be what calls come to, the next one first; when it is empty they succeed."""
    queue: list[Exception | str] = []

    def call(**_: object) -> object:
        answer = queue.pop(0) if queue else "paid"
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(integrations, "call", call)
    return queue


def busy(delay_s: float = 30.0) -> Postponed:
    """This will say that a connection has no room for half a minute."""
    return Postponed(reason="breaker", object_name="payments", delay_s=delay_s)


def test_postponed_step_waits_and_says_for_what(answers: list[Exception | str]) -> None:
    answers.append(busy())
    run_id = driving.begin(STEPS)

    driving.work(run_id)

    (wait,) = inspection.waits_of(Run.objects.get(id=run_id))
    assert (wait.reason, wait.object_kind, wait.object_name) == (WaitReason.BREAKER, "connection", "payments")
    assert timedelta(seconds=20) < wait.due_at - timezone.now() < timedelta(seconds=31)
    assert wait.attempt == 1
    assert not Attempt.objects.filter(run_id=run_id).exists()


def test_postponed_step_goes_on_with_the_same_attempt_when_asked_again(answers: list[Exception | str]) -> None:
    answers.extend([busy(), busy(), Unavailable("away"), busy()])
    run_id = driving.begin(STEPS)

    driving.work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert Step.objects.get(run_id=run_id).attempts == 2
    assert Attempt.objects.filter(run_id=run_id).count() == 1


def test_postponed_time_is_not_taken_from_the_budget_of_retries(answers: list[Exception | str]) -> None:
    answers.extend([Unavailable("away"), busy(delay_s=3600.0)])
    slow = {**RETRY, "first": "20s"}
    run_id = driving.begin({"pay": {**STEPS["pay"], "retry": slow}})
    driving.work(run_id)
    before = first_attempt_at(run_id)
    driving.let_time_pass(run_id)

    driving.work(run_id)

    assert before is not None
    after = first_attempt_at(run_id)
    assert after is not None
    assert timedelta(minutes=59) < after - before < timedelta(minutes=61)


def test_postponed_item_keeps_its_place_and_costs_no_attempt(answers: list[Exception | str]) -> None:
    answers.extend(["one", busy()])
    run_id = driving.begin({"lines": LINES})

    driving.work(run_id)
    waiting = Activation.objects.get(run_id=run_id)
    states = list(Item.objects.filter(run_id=run_id).order_by("index").values_list("state", flat=True))
    driving.work(run_id, is_patient=False)

    assert (waiting.wait_reason, waiting.wait_object, waiting.owner) == ("breaker", "payments", "")
    assert states == ["succeeded", "ready", "ready"]
    assert list(Item.objects.filter(run_id=run_id).values_list("attempt", flat=True)) == [1, 1, 1]
    assert Run.objects.get(id=run_id).state == "succeeded"


def first_attempt_at(run_id: UUID) -> datetime | None:
    """This will be when the step's first attempt began, as the engine counts it."""
    return Activation.objects.get(run_id=run_id).first_attempt_at
