"""Deadlines with an action, and deadlines from history."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from integrations.models import Notification
from tests.flows.driving import TESTER, begin, call, claimable, publish, start, states, trail, trail_of, work
from tests.support import api
from workflows import explaining, operations
from workflows.execution import attempts
from workflows.execution.cursor import open_cursor
from workflows.models import DeadLetter, Run
from workflows.operations import endings
from workflows.plans import program_of
from workflows.store import claim

pytestmark = pytest.mark.usefixtures("database")
TWO = {"first": call("noop"), "second": call("noop", needs="first")}
TOLD = [{"channel": "log", "recipient": "operators"}]


def pass_deadline(run_id: UUID) -> bool:
    """This will do what the sweep does when the run's deadline has passed."""
    return endings.expire_run(run_id=run_id, now=timezone.now() + timedelta(hours=9))


def test_deadline_that_notifies_tells_once_and_lets_the_run_go_on() -> None:
    run_id = begin(TWO, deadline={"after": "1h", "action": "notify", "notify": TOLD})
    due_at = Run.objects.get(id=run_id).deadline_at

    assert pass_deadline(run_id)
    assert not pass_deadline(run_id)

    (message,) = Notification.objects.filter(about=str(run_id))
    assert (message.channel, message.recipient) == ("log", "operators")
    run = Run.objects.get(id=run_id)
    assert (run.state, run.deadline_at, run.deadline_missed_at) == ("running", None, due_at)
    assert trail(run_id) == ["run.started", "run.deadline_missed"]
    assert explaining.explain(run).summary.startswith("late since ")
    shown = api.client("runs:read").get(f"/api/v1/runs/{run_id}").json()
    assert shown["deadline_missed_at"] is not None
    work(run_id)
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_deadline_that_notifies_cuts_no_step_off() -> None:
    steps = {"slow": call("noop", timeout="20h")}
    run_id = begin(steps, deadline={"after": "10h", "action": "notify", "notify": TOLD})
    (held,) = claim(refs=claimable(run_id), owner="somebody:1", lease_s=60)
    cursor = open_cursor(held, program=program_of(held.version_id), now=timezone.now(), owner="somebody:1")

    assert cursor.step_context(now=timezone.now()).timeout_s == 72_000.0
    assert attempts.inputs_of(cursor) is not None


def test_deadline_that_cancels_does_what_a_cancel_does() -> None:
    rest = {"rest": {"uses": "wait", "needs": "first", "with": {"for": "9d"}}, "first": {**TWO["first"]}}
    rest["first"]["undo"] = {"uses": "set"}
    run_id = begin(
        rest, deadline={"after": "1h", "action": "cancel", "notify": TOLD}, **{"finally": {"tidy": {"uses": "set"}}}
    )
    work(run_id)

    assert pass_deadline(run_id)
    work(run_id)

    run = Run.objects.get(id=run_id)
    assert run.state == "cancelled"
    assert isinstance(run.error, dict)
    assert run.error["kind"] == "deadline"
    assert states(run_id) == {
        "first": "succeeded",
        "rest": "cancelled",
        "first:undo": "succeeded",
        "tidy": "succeeded",
    }
    assert Notification.objects.filter(about=str(run_id)).count() == 1
    assert not DeadLetter.objects.filter(run_id=run_id).exists()


def test_deadline_that_fails_may_tell_too_and_a_requeue_has_a_fresh_one() -> None:
    run_id = begin(TWO, deadline={"after": "1h", "notify": TOLD})
    assert pass_deadline(run_id)
    assert Run.objects.get(id=run_id).state == "failed"

    letter = DeadLetter.objects.get(run_id=run_id)
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())
    assert pass_deadline(run_id)

    assert Notification.objects.filter(about=str(run_id)).count() == 2
    assert len(trail_of(run_id, "run.failed")) == 2


def test_deadline_from_history_is_off_until_there_is_enough_and_counts_what_has_succeeded() -> None:
    name = publish({"only": call("noop")}, deadline={"median": 3, "of": 3, "at_least": 2, "min": "2h"})
    first, failed, second = start(name), start(name), start(name)
    assert set(Run.objects.filter(workflow_name=name).values_list("deadline_at", flat=True)) == {None}
    operations.cancel_run(run_id=failed, actor=TESTER, now=timezone.now())
    work(first)
    assert Run.objects.get(id=start(name)).deadline_at is None
    work(second)

    short = Run.objects.get(id=start(name))
    assert short.deadline_at is not None
    assert short.deadline_at - short.created_at == timedelta(hours=2)
    for run_id in (first, second):
        run = Run.objects.get(id=run_id)
        Run.objects.filter(id=run_id).update(ended_at=run.created_at + timedelta(hours=10))

    usual = Run.objects.get(id=start(name))
    assert usual.deadline_at is not None
    assert usual.deadline_at - usual.created_at == timedelta(hours=30)
