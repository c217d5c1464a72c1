"""The step `wait`: days cost one row; it ends once, at its time."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from tests.flows import driving
from workflows import inspection
from workflows.core.states import WaitReason
from workflows.models import Activation, Run, Step

pytestmark = pytest.mark.usefixtures("database")


def test_wait_for_days_is_a_row_that_says_until_when() -> None:
    run_id = driving.begin({"pause": {"uses": "wait", "with": {"for": "3d"}}})
    before = timezone.now()

    driving.work(run_id)

    (wait,) = inspection.waits_of(Run.objects.get(id=run_id))
    assert (wait.reason, wait.object_kind) == (WaitReason.TIMER, "instant")
    assert wait.due_at is not None
    assert timedelta(0) <= wait.due_at - (before + timedelta(days=3)) < timedelta(seconds=5)
    assert datetime.fromisoformat(wait.object_name) == wait.due_at


def test_wait_goes_on_when_its_time_has_come_and_says_how_long_it_took() -> None:
    run_id = driving.begin({"pause": {"uses": "wait", "with": {"for": "2h"}}})
    driving.work(run_id)
    row = Activation.objects.get(run_id=run_id)
    earlier = row.begun_at - timedelta(hours=2)
    Activation.objects.filter(id=row.id).update(begun_at=earlier, due_at=timezone.now())

    driving.work(run_id)

    output = Step.objects.get(run_id=run_id).output
    assert output["waited_s"] >= 7200
    assert datetime.fromisoformat(output["until"]) == row.begun_at.astimezone(UTC)
    assert driving.trail(run_id) == ["run.started", "step.parked", "step.succeeded", "run.succeeded"]


def test_wait_woken_too_early_goes_on_waiting_until_the_same_instant() -> None:
    run_id = driving.begin({"pause": {"uses": "wait", "with": {"for": "1d"}}})
    driving.work(run_id)
    due_at = Activation.objects.get(run_id=run_id).due_at
    Activation.objects.filter(run_id=run_id).update(due_at=timezone.now())

    driving.work(run_id)

    assert Activation.objects.get(run_id=run_id).due_at == due_at
    assert driving.trail(run_id).count("step.parked") == 1


def test_wait_until_an_instant_that_has_passed_goes_on_at_once() -> None:
    steps = {"pause": {"uses": "wait", "with": {"until": "${{ input.when }}"}}}
    run_id = driving.begin(steps, value={"when": "2026-01-31T08:00:00+01:00"})

    driving.work(run_id)

    assert Step.objects.get(run_id=run_id).output == {"waited_s": 0.0, "until": "2026-01-31T07:00:00+00:00"}


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("2026-01-31T08:00:00", "has no offset"),
        ("tomorrow", "is no instant"),
        ("2999-01-01T00:00:00Z", "more than 3660 days away"),
    ],
)
def test_wait_refuses_an_instant_it_cannot_keep(when: str, message: str) -> None:
    run = driving.finish({"pause": {"uses": "wait", "with": {"until": "${{ input.when }}"}}}, value={"when": when})

    assert run.state == "failed"
    assert run.error["kind"] == "refused"
    assert message in run.error["message"]


def test_each_item_waits_for_its_own_instant() -> None:
    steps = {"pause": {"uses": "wait", "with": {"for": "${{ item }}"}, "for_each": ["0s", "1h", "0s"]}}
    run_id = driving.begin(steps)

    driving.work(run_id)
    row = Activation.objects.get(run_id=run_id)

    assert (row.wait_reason, row.state) == ("items", "waiting")
    assert timedelta(minutes=59) < row.due_at - timezone.now() < timedelta(minutes=61)
