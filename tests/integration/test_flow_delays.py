"""Runs that begin, or go on, later: they ask their gates when their time has come, and hold nothing until then."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from tests.flows.driving import TESTER, call, let_in, publish, start, trail, waits_for, work
from workflows import due, inspection, operations, store
from workflows.core.states import TrialState
from workflows.due import Ask
from workflows.errors import InputInvalid, StartRateLimited, WorkflowDisabled
from workflows.execution import shift
from workflows.models import Activation, DeadLetter, JoinedStart, Run, RunSlot, WorkflowVersion
from workflows.operations import Start, starting
from workflows.store import ActivationRef

pytestmark = pytest.mark.usefixtures("database")
STEPS = {"only": call("noop")}
READY = ("ready", "worker")
IN_LINE = ("waiting", "concurrency")
LATER = ("waiting", "delayed_entry")
FAILS_ON_A = {"only": call("fail_on", args={"value": "${{ input.customer }}", "bad": "a"}, retry={"attempts": 1})}


def delayed(workflow: str, *, hours: float = 1.0) -> UUID:
    """This will start a run that is to begin later."""
    return start(workflow, start_at=timezone.now() + timedelta(hours=hours))


def come(run_id: UUID) -> None:
    """This will let the time of a run that is held back come, and have the scheduler look."""
    assert Activation.objects.filter(run_id=run_id).update(due_at=Now()), "it has an activation"
    let_in(run_id)


def failed(workflow: str) -> tuple[UUID, DeadLetter]:
    """This will be a run that has failed, with its dead letter."""
    run_id = start(workflow, value={"customer": "a"})
    work(run_id)
    return run_id, DeadLetter.objects.get(run_id=run_id)


def requeue(letter: DeadLetter, *, delay_s: float = 0.0) -> None:
    """This will try a dead letter again."""
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now(), delay_s=delay_s)


def expire(run_id: UUID) -> DeadLetter:
    """This will let the deadline of a run pass; gives its dead letter."""
    Run.objects.filter(id=run_id).update(deadline_at=timezone.now())
    assert operations.expire_run(run_id=run_id, now=timezone.now())
    return DeadLetter.objects.get(run_id=run_id, step="")


def test_delayed_run_takes_its_slot_when_its_time_has_come() -> None:
    workflow = publish(STEPS, concurrency={"limit": 1})
    later = delayed(workflow)
    first = start(workflow)

    (wait,) = inspection.waits_of(Run.objects.get(id=later))

    assert (wait.reason, wait.object_kind) == ("delayed_entry", "start")
    assert wait.due_at is not None
    assert wait.due_at > timezone.now() + timedelta(minutes=59)
    assert (waits_for(first), waits_for(later)) == (READY, LATER)
    assert not RunSlot.objects.filter(run_id=later).exists()
    come(later)
    assert waits_for(later) == IN_LINE
    work(first)
    assert waits_for(later) == READY


def test_delayed_run_is_let_in_at_once_where_there_is_room() -> None:
    later = delayed(publish(STEPS, concurrency={"limit": 1}, throttle={"limit": 1, "period": "1h"}))

    come(later)
    work(later)

    assert Run.objects.get(id=later).state == "succeeded"
    assert trail(later)[:2] == ["run.started", "run.admitted"]
    assert not RunSlot.objects.filter(run_id=later).exists()


def test_delayed_run_waits_for_its_turn_from_when_its_time_has_come() -> None:
    workflow = publish(STEPS, throttle={"limit": 1, "period": "1h"})
    later, now = delayed(workflow), start(workflow)

    assert (waits_for(now), waits_for(later)) == (READY, LATER)
    come(later)
    assert waits_for(later) == ("waiting", "throttle")


def test_delayed_run_that_would_be_refused_is_recorded_as_cancelled() -> None:
    workflow = publish(STEPS, singleton={"mode": "skip"})
    later, first = delayed(workflow), start(workflow)

    come(later)

    assert Run.objects.get(id=later).state == "cancelled"
    assert Run.objects.get(id=first).state == "running"


def test_no_worker_takes_a_delayed_run_that_has_not_asked_its_gates() -> None:
    workflow = publish(STEPS, concurrency={"limit": 1})
    later = delayed(workflow)
    Activation.objects.filter(run_id=later).update(due_at=Now())

    shift.execute([ActivationRef(later, 0, 0)])

    assert waits_for(later) == LATER


def test_dispatch_gives_a_gated_run_to_its_gates_and_keeps_what_it_waits_for() -> None:
    later = delayed(publish({"only": call("noop", queue="io")}, concurrency={"limit": 1}))
    Activation.objects.filter(run_id=later).update(due_at=Now() - timedelta(days=300))

    (taken,) = due.take_due(
        asks=[Ask(lane="io", room=64)], leads=[], groups=1_000, ageing_s=10.0, again_s=60.0, again_cap_s=60.0
    )

    (found,) = [one for one in taken.dues if one.run_id == later]
    assert found.is_gated
    assert waits_for(later) == LATER
    assert [one.is_gated for one in taken.dues if one.run_id != later].count(True) == 0


def test_rate_limit_counts_a_delayed_start_when_it_is_asked_for() -> None:
    workflow = publish(STEPS, rate_limit={"limit": 1, "period": "1h"})
    later = delayed(workflow)

    with pytest.raises(StartRateLimited):
        delayed(workflow)

    come(later)
    assert waits_for(later) == READY


@pytest.mark.parametrize("rule", [{"batch": {"size": 2, "timeout": "1m"}}, {"debounce": {"period": "1m"}}])
def test_starts_that_are_gathered_cannot_be_delayed(rule: dict[str, object]) -> None:
    workflow = publish(STEPS, **rule)

    with pytest.raises(InputInvalid) as refused:
        delayed(workflow)

    assert [problem.path for problem in refused.value.problems] == ["start_at"]
    assert not Run.objects.filter(workflow_name=workflow).exists()


def test_deadline_of_a_delayed_run_counts_from_its_time() -> None:
    run = Run.objects.get(id=delayed(publish(STEPS, concurrency={"limit": 1}, deadline="1h"), hours=2))

    assert run.deadline_at is not None
    assert run.deadline_at > timezone.now() + timedelta(hours=2.9)


def test_run_requeued_at_a_pace_takes_its_slot_when_its_time_has_come() -> None:
    workflow = publish(FAILS_ON_A, concurrency={"limit": 1})
    run_id, letter = failed(workflow)

    requeue(letter, delay_s=600)

    assert waits_for(run_id) == LATER
    assert not RunSlot.objects.filter(run_id=run_id).exists()
    other = start(workflow, value={"customer": "b"})
    assert waits_for(other) == READY
    come(run_id)
    assert waits_for(run_id) == IN_LINE
    work(other)
    assert waits_for(run_id) == READY


def test_second_letter_without_delay_brings_a_paced_run_forward() -> None:
    bad = FAILS_ON_A["only"]
    run_id = start(publish({"left": bad, "right": bad}, concurrency={"limit": 1}), value={"customer": "a"})
    work(run_id)
    first, second = DeadLetter.objects.filter(run_id=run_id).order_by("id")

    requeue(first, delay_s=600)
    requeue(second)

    reasons = Activation.objects.filter(run_id=run_id).values_list("state", "wait_reason")
    assert list(reasons) == [LATER, LATER]
    assert not Activation.objects.filter(run_id=run_id, due_at__gt=Now() + timedelta(seconds=60)).exists()


def test_run_whose_deadline_passed_in_line_stands_in_line_again_when_requeued() -> None:
    workflow = publish(STEPS, concurrency={"limit": 1}, deadline="1h")
    first, second = start(workflow), start(workflow)
    letter = expire(second)
    assert not RunSlot.objects.filter(run_id=second).exists()

    requeue(letter)

    assert waits_for(second) == IN_LINE
    work(first)
    work(second)
    assert Run.objects.get(id=second).state == "succeeded"
    assert not RunSlot.objects.filter(run_id__in=[first, second]).exists()


def test_batch_whose_deadline_passed_before_it_began_keeps_its_inputs_when_requeued() -> None:
    echo = {"only": call("echo", args={"value": "${{ input.items }}"})}
    workflow = publish(echo, batch={"size": 9, "timeout": "1h"}, concurrency={"limit": 1}, deadline="2h")
    run_id = start(workflow, value=1)
    assert start(workflow, value=2) == run_id
    letter = expire(run_id)

    requeue(letter)
    work(run_id)

    run = Run.objects.get(id=run_id)
    assert (run.state, run.input) == ("succeeded", {"items": [1, 2]})
    assert not JoinedStart.objects.filter(run_id=run_id, input__isnull=False).exists()
    assert start(workflow, value=3) != run_id


def test_requeued_run_that_makes_way_is_not_waited_for_any_more() -> None:
    workflow = publish(FAILS_ON_A, singleton={"mode": "cancel"})
    run_id, letter = failed(workflow)
    requeue(letter)
    assert waits_for(run_id) == READY

    start(workflow, value={"customer": "b"})

    letter.refresh_from_db()
    assert Run.objects.get(id=run_id).state == "cancelled"
    assert letter.trial == TrialState.GIVEN_UP


def test_gated_start_is_never_made_on_an_old_version_that_is_remembered() -> None:
    workflow = publish(STEPS, singleton={"mode": "skip"})
    first = start(workflow)
    remembered = starting._known[workflow]
    newer = f"name: {workflow}\nsteps: {{other: {{uses: set}}}}\n"
    operations.publish(source=newer, actor=TESTER, now=timezone.now())
    starting._known[workflow] = remembered

    second = start(workflow)

    assert second != first
    version = WorkflowVersion.objects.get(id=Run.objects.get(id=second).version_id)
    assert version.number == 2


def test_disabled_workflow_lets_nobody_join_what_is_there() -> None:
    workflow = publish(STEPS, batch={"size": 9, "timeout": "1h"})
    start(workflow, value=1)
    operations.set_enabled(name=workflow, is_enabled=False, actor=TESTER, now=timezone.now())

    with pytest.raises(WorkflowDisabled):
        operations.start_run(workflow=workflow, start=Start(input=2), actor=TESTER, now=timezone.now())

    assert JoinedStart.objects.filter(run_id__in=Run.objects.filter(workflow_name=workflow).values("id")).count() == 1


def test_every_reason_of_a_gate_keeps_workers_out() -> None:
    assert sorted(store.GATES) == ["batch", "concurrency", "debounce", "delayed_entry", "throttle"]
