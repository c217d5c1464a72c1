"""The step `workflow`: one run for each round, woken by its end, and what becomes of it when the parent ends first."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.flows import driving
from tests.flows.driving import AT_ONCE, TESTER, call
from workflows import child_queries, operations
from workflows.core import subworkflow
from workflows.core.states import WaitReason
from workflows.models import Activation, ChildRun, DeadLetter, Item, Run, Step
from workflows.operations import children

pytestmark = pytest.mark.usefixtures("database")
WAIT = {"pause": {"uses": "wait", "with": {"for": "1d"}}}


def sub(name: str, **more: object) -> dict[str, object]:
    """This will be a step that starts a workflow; what is not of the step goes into `with`."""
    step = {key: more.pop(key) for key in ("needs", "for_each", "on_failure", "parallel", "undo") if key in more}
    return {"uses": "workflow", "with": {"name": name, **more}, **step}


def child_of(run_id: UUID, *, step: str = "child", index: int | None = None) -> UUID:
    """This will give the latest run that a step has started."""
    link = ChildRun.objects.filter(parent_id=run_id, step=step, index=index).order_by("-round").first()
    assert link is not None, f"{step} of {run_id} has started no run"
    return link.child_id


def work_all(*run_ids: UUID) -> None:
    """This will work on runs and on all they have started, with the sweep between."""
    for _ in range(12):
        family = set(run_ids)
        level = set(run_ids)
        while level:
            level = set(ChildRun.objects.filter(parent_id__in=level).values_list("child_id", flat=True)) - family
            family |= level
        if not driving.claimable(*family) and not ChildRun.objects.filter(order="wanted", child_id__in=family).exists():
            return
        driving.work(*family)
        children.sweep(now=timezone.now())


def test_step_waits_for_its_run_and_gives_its_output() -> None:
    name = driving.publish(
        {"one": {"uses": "set", "with": {"x": "${{ input.n }}"}}}, output={"y": "${{ steps.one.output.x }}"}
    )
    run_id = driving.begin(
        {"child": sub(name, input={"n": 3}), "after": call("echo", needs="child", args={"value": 1})}
    )

    driving.work(run_id)
    child = Run.objects.get(id=child_of(run_id))
    row = Activation.objects.get(run_id=run_id)
    assert (row.state, row.wait_reason, row.wait_object) == ("waiting", WaitReason.CHILD_RUN, str(child.id))
    assert child.correlation_id == str(run_id)
    work_all(run_id)

    assert Step.objects.get(run_id=run_id, step="child").output == {"run_id": str(child.id), "output": {"y": 3}}
    assert Run.objects.get(id=run_id).state == "succeeded"
    assert ChildRun.objects.filter(parent_id=run_id).count() == 1


def test_run_of_one_segment_wakes_its_parent_and_others_pay_nothing() -> None:
    name = driving.publish({"one": {"uses": "set", "with": {"x": 1}}})
    alone = driving.start(name)
    with CaptureQueriesContext(connection) as plain:
        driving.work(alone)
    assert not [query for query in plain.captured_queries if "childrun" in query["sql"]]


def test_detached_run_goes_on_alone_and_the_step_ends_at_once() -> None:
    name = driving.publish(WAIT)
    run_id = driving.begin({"child": sub(name, mode="detach")})

    driving.work(run_id)

    run = Run.objects.get(id=run_id)
    assert run.state == "succeeded"
    child = Run.objects.get(id=child_of(run_id))
    assert Step.objects.get(run_id=run_id).output == {"run_id": str(child.id)}
    children.sweep(now=timezone.now())
    assert Run.objects.get(id=child.id).state == "running"


def test_detached_run_may_be_bound_to_the_end_of_its_parent() -> None:
    name = driving.publish(WAIT)
    run_id = driving.begin({"child": sub(name, mode="detach", on_parent_end="cancel")})

    work_all(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert Run.objects.get(id=child_of(run_id)).state == "cancelled"


def test_failed_run_fails_the_step_with_its_cause_and_is_not_started_again() -> None:
    name = driving.publish({"bad": call("fail_on", args={"value": 1, "bad": 1}, retry={"attempts": 1})})
    run_id = driving.begin({"child": sub(name)})

    work_all(run_id)

    run = Run.objects.get(id=run_id)
    child_id = child_of(run_id)
    assert run.state == "failed"
    assert run.error is not None
    assert run.error["step"] == "child"
    assert run.error["message"].startswith(f"run {child_id} of {name} failed: ")
    assert ChildRun.objects.filter(parent_id=run_id).count() == 1


@pytest.fixture
def repairable() -> str:
    """This will be a workflow that fails as long as the value 1 is bad."""
    return driving.publish(
        {
            "first": {"uses": "set", "with": {"x": 1}},
            "bad": call("fail_on", needs="first", args={"value": "${{ input.v }}", "bad": 1}, retry={"attempts": 1}),
        }
    )


def requeue(run_id: UUID, **more: object) -> None:
    """This will requeue the open dead letter of a run."""
    letter = DeadLetter.objects.get(run_id=run_id, state="open")
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now(), **more)  # type: ignore[arg-type]  # the payload


def mended(value: int = 2) -> dict[str, object]:
    """This will be inputs that do not fail."""
    return {"call": "flows.fail_on", "args": {"value": value, "bad": 1}}


def test_run_that_succeeds_after_its_requeue_brings_its_parent_back(repairable: str) -> None:
    run_id = driving.begin(
        {"child": sub(repairable, input={"v": 1}), "after": call("echo", needs="child", args={"value": 1})}
    )
    work_all(run_id)
    child_id = child_of(run_id)

    requeue(child_id, payload=mended())
    driving.work(child_id)
    children.sweep(now=timezone.now())
    work_all(run_id)

    assert Run.objects.get(id=child_id).state == "succeeded"
    assert driving.states(run_id) == {"child": "succeeded", "after": "succeeded"}
    assert ChildRun.objects.get(parent_id=run_id).round == 1
    assert not ChildRun.objects.filter(parent_id=run_id, is_owed=True).exists()


def test_requeue_of_the_parent_goes_on_with_the_run_where_it_failed(repairable: str) -> None:
    run_id = driving.begin({"child": sub(repairable, input={"v": 1})})
    work_all(run_id)
    child_id = child_of(run_id)

    requeue(run_id)
    work_all(run_id)

    assert child_of(run_id) == child_id
    assert Run.objects.get(id=child_id).round == 1
    assert driving.trail(child_id).count("run.requeued") == 1
    assert Run.objects.get(id=run_id).state == "failed"


def test_requeue_with_other_inputs_starts_another_run(repairable: str) -> None:
    run_id = driving.begin({"child": sub(repairable, input={"v": 1})})
    work_all(run_id)
    first = child_of(run_id)

    requeue(run_id, payload={"name": repairable, "input": {"v": 2}})
    work_all(run_id)

    assert child_of(run_id) != first
    assert Run.objects.get(id=run_id).state == "succeeded"


@pytest.mark.parametrize(
    ("policy", "state"), [("cancel", "cancelled"), ("request", "cancelled"), ("abandon", "running")]
)
def test_end_of_the_parent_does_with_its_run_as_the_step_says(policy: str, state: str) -> None:
    name = driving.publish(WAIT, **{"finally": {"tidy": call("echo", args={"value": 1})}})
    run_id = driving.begin({"child": sub(name, on_parent_end=policy)})
    driving.work(run_id)
    child_id = child_of(run_id)
    driving.work(child_id)

    run = operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
    assert run.state == ("running" if policy == "cancel" else "cancelled")
    work_all(run_id)

    assert Run.objects.get(id=child_id).state == state
    assert Run.objects.get(id=run_id).state == "cancelled"
    assert driving.states(run_id) == {"child": "cancelled"}
    if state == "cancelled":
        assert driving.states(child_id) == {"pause": "cancelled", "tidy": "succeeded"}


def test_parent_past_its_deadline_waits_for_the_run_it_cancels() -> None:
    name = driving.publish(WAIT)
    run_id = driving.begin({"child": sub(name)}, deadline="1h")
    driving.work(run_id)

    assert operations.expire_run(run_id=run_id, now=timezone.now() + timedelta(hours=2))
    assert Run.objects.get(id=run_id).ending == "failed"
    work_all(run_id)

    assert Run.objects.get(id=run_id).error["kind"] == "deadline"  # type: ignore[index]  # it has failed
    assert Run.objects.get(id=run_id).state == "failed"
    assert Run.objects.get(id=child_of(run_id)).state == "cancelled"


def test_force_waits_for_nobody() -> None:
    name = driving.publish(WAIT)
    run_id = driving.begin({"child": sub(name)})
    driving.work(run_id)

    run = operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), is_forced=True)

    assert run.state == "cancelled"
    work_all(run_id)
    assert Run.objects.get(id=child_of(run_id)).state == "cancelled"


def test_each_item_has_a_run_of_its_own() -> None:
    name = driving.publish({"one": {"uses": "set", "with": {"x": "${{ input }}"}}}, output="${{ steps.one.output.x }}")
    run_id = driving.begin(
        {"child": sub(name, input="${{ item }}", for_each=[1, 2, 3], parallel=2)},
        output="${{ steps.child.output.map(one, one.output) }}",
    )

    work_all(run_id)

    assert Run.objects.get(id=run_id).output == [1, 2, 3]
    assert ChildRun.objects.filter(parent_id=run_id).count() == 3


def test_cancel_waits_for_the_runs_of_all_items() -> None:
    name = driving.publish(WAIT)
    run_id = driving.begin({"child": sub(name, for_each=[1, 2, 3], parallel=2)})
    driving.work(run_id)

    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
    assert Run.objects.get(id=run_id).state == "running"
    work_all(run_id)

    states = set(Run.objects.filter(correlation_id=str(run_id)).values_list("state", flat=True))
    assert states == {"cancelled"}
    assert set(Item.objects.filter(run_id=run_id).values_list("state", flat=True)) == {"cancelled"}


def test_item_that_fails_stops_the_runs_of_the_others() -> None:
    bad = driving.publish({"one": {"uses": "wait", "with": {"until": "${{ input }}"}}})
    run_id = driving.begin(
        {
            "child": sub(
                bad,
                input="${{ item }}",
                for_each=["2999-01-01T00:00:00", "2027-01-01T00:00:00Z"],
                on_failure="fail_fast",
            )
        }
    )

    work_all(run_id)

    assert Run.objects.get(id=run_id).state == "failed"
    assert Run.objects.get(id=child_of(run_id, index=1)).state == "cancelled"


def test_workflow_that_starts_itself_is_stopped_with_a_reason() -> None:
    name = driving.publish({"one": {"uses": "set", "with": {"x": 1}}})
    source = f"{{name: {name}, steps: {{child: {{uses: workflow, with: {{name: {name}}}}}}}}}"
    operations.publish(source=source, actor=TESTER, now=timezone.now())
    run_id = driving.start(name)

    for _ in range(4):
        work_all(run_id)

    runs = Run.objects.filter(correlation_id=str(run_id))
    assert runs.count() == subworkflow.MAX_DEPTH + 1
    assert set(runs.values_list("state", flat=True)) == {"failed"}
    assert "nested 16 deep" in Run.objects.get(id=run_id).error["message"]  # type: ignore[index]  # it has failed


def test_unknown_workflow_is_refused_and_lets_nothing_be_started() -> None:
    run = driving.finish({"child": sub("nobody-has-published-this")})

    assert run.state == "failed"
    assert run.error["kind"] == "refused"  # type: ignore[index]  # it has failed
    assert not ChildRun.objects.filter(parent_id=run.id).exists()


def test_run_that_waits_at_a_gate_is_waited_for_and_joined_ones_are_not_cancelled() -> None:
    name = driving.publish(WAIT, singleton={"key": "one"})
    first = driving.start(name)
    run_id = driving.begin({"child": sub(name)})
    driving.work(run_id)
    assert child_of(run_id) == first

    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
    work_all(run_id)
    assert (Run.objects.get(id=run_id).state, Run.objects.get(id=first).state) == ("cancelled", "running")

    other = driving.begin({"child": sub(name)})
    driving.work(other, first)
    operations.cancel_run(run_id=first, actor=TESTER, now=timezone.now(), reason="enough")
    work_all(other)
    assert "was cancelled: enough" in Run.objects.get(id=other).error["message"]  # type: ignore[index]  # it has failed


def test_nested_runs_end_with_the_top_from_the_bottom_up() -> None:
    bottom = driving.publish(WAIT)
    middle = driving.publish({"child": sub(bottom)})
    run_id = driving.begin({"child": sub(middle)})
    work_all(run_id)
    middle_id = child_of(run_id)
    bottom_id = child_of(middle_id)

    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
    work_all(run_id)

    ends = [Run.objects.get(id=one).ended_at for one in (bottom_id, middle_id, run_id)]
    assert ends == sorted(ends)
    assert [link.parent_id for link in child_queries.ancestors(bottom_id)] == [middle_id, run_id]


def test_undo_of_the_step_may_be_a_workflow() -> None:
    forth = driving.publish({"one": {"uses": "set", "with": {"x": 1}}}, output={"id": 7})
    back = driving.publish({"one": {"uses": "set", "with": {"x": "${{ input }}"}}})
    undo = {"uses": "workflow", "with": {"name": back, "input": "${{ steps.child.output.output.id }}"}}
    run_id = driving.begin(
        {
            "child": sub(forth, undo=undo),
            "bad": call("fail_on", needs="child", args={"value": 1, "bad": 1}, retry=AT_ONCE),
        }
    )

    work_all(run_id)

    assert driving.states(run_id) == {"child": "succeeded", "bad": "failed", "child:undo": "succeeded"}
    assert Run.objects.get(id=child_of(run_id, step="child:undo")).input == 7


def test_start_beyond_the_rate_of_its_workflow_waits_and_spends_no_attempt() -> None:
    name = driving.publish({"one": {"uses": "set", "with": {"x": 1}}}, rate_limit={"limit": 1, "period": "1h"})
    driving.start(name)
    run_id = driving.begin({"child": sub(name)})

    driving.work(run_id)

    row = Activation.objects.get(run_id=run_id)
    assert (row.wait_reason, row.wait_object, row.attempt) == (WaitReason.CHILD_START, name, 1)
    assert row.due_at > timezone.now()


def test_result_set_by_hand_cancels_the_run_nobody_needs_any_more() -> None:
    name = driving.publish(WAIT)
    run_id = driving.begin({"child": sub(name)})
    work_all(run_id)

    wanted = operations.SetResult(step="child", output={"run_id": "none", "output": 1}, reason="by telephone")
    operations.set_result(run_id=run_id, wanted=wanted, actor=TESTER, now=timezone.now())
    work_all(run_id)

    assert Step.objects.get(run_id=run_id, step="child").output == {"run_id": "none", "output": 1}
    assert Run.objects.get(id=child_of(run_id)).state == "cancelled"
