"""The retry of a run that a step has started stands for that run: the step waits for it, or comes back with it."""

from uuid import UUID

import pytest
from django.utils import timezone

from tests.flows import driving
from tests.flows.driving import TESTER, call
from workflows import operations
from workflows.core.definition import JsonValue
from workflows.core.retry_plan import RetryFrom
from workflows.models import ChildRun, DeadLetter, Run
from workflows.operations import EditedInput, RetryWanted, children

pytestmark = pytest.mark.usefixtures("database")
REST: dict[str, object] = {"rest": {"uses": "wait", "with": {"for": "1d"}}}


def below() -> str:
    """This will be a workflow whose runs fail with the input 1, and give any other one."""
    step = call("fail_on", args={"value": "${{ input }}", "bad": 1}, retry={"attempts": 1})
    return driving.publish({"only": step}, output="${{ input }}")


def child(name: str, value: JsonValue = 1, **more: object) -> dict[str, object]:
    """This will be a step that starts a run of it, and waits."""
    return {"uses": "workflow", "with": {"name": name, "input": value}, **more}


def children_of(run_id: UUID) -> list[UUID]:
    """This will give the runs that stand for the steps of a run."""
    return list(ChildRun.objects.filter(parent_id=run_id).order_by("id").values_list("child_id", flat=True))


def work(run_id: UUID) -> None:
    """This will work on a run and those below it until nothing is due."""
    for _ in range(8):
        driving.work(run_id, *children_of(run_id))
        children.sweep(now=timezone.now())


def retry(run_id: UUID, *, value: JsonValue = 2, delay_s: float = 0.0) -> UUID:
    """This will retry a run from its start with another input, and give the new one."""
    wanted = RetryWanted(start=RetryFrom.START, edited=EditedInput(value))
    told = operations.retry_run(run_id=run_id, wanted=wanted, actor=TESTER, now=timezone.now(), delay_s=delay_s)
    assert told.run_id is not None
    return told.run_id


def test_parent_that_failed_with_its_run_comes_back_when_the_retry_has_succeeded() -> None:
    run_id = driving.begin({"a": child(below()), "b": call("noop", needs="a")}, output="${{ steps.a.output }}")
    work(run_id)
    (first,) = children_of(run_id)
    assert Run.objects.get(id=run_id).state == "failed"

    second = retry(first)
    assert Run.objects.get(id=run_id).state == "failed"
    work(run_id)

    assert children_of(run_id) == [second]
    run = Run.objects.get(id=run_id)
    assert (run.state, run.output) == ("succeeded", {"run_id": str(second), "output": 2})
    assert not DeadLetter.objects.filter(run_id__in=[run_id, first], state="open").exists()


def test_retry_that_fails_again_leaves_the_parent_failed_and_the_next_one_helps() -> None:
    run_id = driving.begin({"a": child(below())})
    work(run_id)
    (first,) = children_of(run_id)

    second = retry(first, value=1)
    work(run_id)
    assert (Run.objects.get(id=second).state, Run.objects.get(id=run_id).state) == ("failed", "failed")
    third = retry(second)
    work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert children_of(run_id)[-1] == third


def test_step_that_still_waits_goes_on_waiting_for_the_retry() -> None:
    run_id = driving.begin({"a": child(below())}, output="${{ steps.a.output.output }}")
    driving.work(run_id)
    (first,) = children_of(run_id)
    driving.work(first)

    second = retry(first)
    driving.work(run_id)
    run = Run.objects.get(id=run_id)
    assert (run.state, driving.waits_for(run_id)) == ("running", ("waiting", "child_run"))
    work(run_id)

    run.refresh_from_db()
    assert (run.state, run.output, children_of(run_id)) == ("succeeded", 2, [second])
    assert "step.failed" not in driving.trail(run_id)


def test_cancel_of_a_parent_that_waits_reaches_the_retry() -> None:
    run_id = driving.begin({"a": child(below())})
    driving.work(run_id)
    (first,) = children_of(run_id)
    driving.work(first)
    second = retry(first, delay_s=3600)
    driving.work(run_id)

    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
    work(run_id)

    assert [Run.objects.get(id=one).state for one in (second, run_id)] == ["cancelled", "cancelled"]


def test_parent_that_ends_with_its_failure_does_not_stop_the_retry() -> None:
    run_id = driving.begin({"a": child(below()), **REST})
    work(run_id)
    (first,) = children_of(run_id)
    second = retry(first, delay_s=3600)
    driving.let_time_pass(run_id)
    driving.work(run_id)
    children.sweep(now=timezone.now())
    assert (Run.objects.get(id=run_id).state, Run.objects.get(id=second).state) == ("failed", "running")

    driving.let_time_pass(second)
    work(run_id)

    assert [Run.objects.get(id=one).state for one in (second, run_id)] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("end", ["cancelled", "discarded", "succeeded"])
def test_parent_that_wants_nothing_more_is_left_alone(end: str) -> None:
    more: dict[str, object] = {"for_each": [1], "on_failure": "collect"} if end == "succeeded" else {}
    run_id = driving.begin({"a": child(below(), **more), **REST})
    work(run_id)
    (first,) = children_of(run_id)
    for letter in DeadLetter.objects.filter(run_id=run_id) if end == "discarded" else ():
        operations.discard_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now(), reason="no")
    if end == "cancelled":
        operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())

    second = retry(first)
    driving.work(second)

    assert Run.objects.get(id=second).state == "succeeded"
    assert children_of(run_id) == [first]
    assert not Run.objects.get(id=second).is_awaited


def test_item_of_a_parent_comes_back_with_the_retry_of_its_run() -> None:
    step = child(below(), "${{ item }}", for_each=[1, 3], parallel=2)
    run_id = driving.begin({"a": step}, output="${{ steps.a.output.map(one, one.output) }}")
    work(run_id)
    failed = Run.objects.get(id__in=children_of(run_id), state="failed")

    retry(failed.id)
    work(run_id)

    run = Run.objects.get(id=run_id)
    assert (run.state, run.output) == ("succeeded", [2, 3])
