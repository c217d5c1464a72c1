"""Slots: never more runs of a key than its limit, in the order they came, and each slot is free when its run ends."""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from tests.flows.driving import TESTER, aside, call, let_in, publish, start, trail, trail_of, waits_for, work
from workflows import inspection, operations
from workflows.errors import ConcurrencyReached, InputInvalid, RunEnded
from workflows.models import Activation, DeadLetter, JoinedStart, Run, RunSlot
from workflows.operations import Start, Started, gate_sweeps

pytestmark = pytest.mark.usefixtures("database")
STEPS = {"only": call("noop")}
KEY = "${{ input.customer }}"
READY = ("ready", "worker")
IN_LINE = ("waiting", "concurrency")


def begin(workflow: str, *, customer: str = "a", key: str | None = None) -> Started:
    """This will start a run for a customer."""
    wanted = Start(input={"customer": customer}, key=key)
    return operations.start_run(workflow=workflow, start=wanted, actor=TESTER, now=timezone.now())


def limited(limit: int = 1, *, overflow: str = "queue", **more: object) -> str:
    """This will publish a workflow with so many slots for each customer."""
    return publish(STEPS, concurrency={"key": KEY, "limit": limit, "overflow": overflow}, **more)


def cancel(run_id: UUID) -> None:
    """This will cancel a run."""
    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())


def state(run_id: UUID) -> str:
    """This will give the state of a run."""
    return Run.objects.get(id=run_id).state


def slots_of(workflow: str) -> int:
    """This will count the slots and places in line of a workflow's runs."""
    runs = Run.objects.filter(workflow_name=workflow).values_list("id", flat=True)
    return RunSlot.objects.filter(run_id__in=list(runs)).count()


def test_run_beyond_the_limit_waits_and_says_for_what() -> None:
    workflow = limited(1)
    first, second, third = (begin(workflow).run_id for _ in range(3))

    (wait,) = inspection.waits_of(Run.objects.get(id=third))

    assert [waits_for(run_id) for run_id in (first, second, third)] == [READY, IN_LINE, IN_LINE]
    assert (wait.reason, wait.object_kind, wait.object_name, wait.due_at) == ("concurrency", "key", "a", None)
    assert wait.place is not None
    assert (wait.place.position, wait.place.waiting, wait.place.limit) == (2, 2, 1)
    assert list(wait.place.holders) == [first]
    assert trail(third) == ["run.started", "run.queued"]


def test_end_of_a_run_lets_in_the_one_that_waited_longest() -> None:
    workflow = limited(1)
    first, second, third = (begin(workflow).run_id for _ in range(3))

    work(first)

    assert state(first) == "succeeded"
    assert [waits_for(second), waits_for(third)] == [READY, IN_LINE]
    assert trail(second) == ["run.started", "run.queued", "run.admitted"]
    work(second)
    work(third)
    assert state(third) == "succeeded"
    assert slots_of(workflow) == 0


def test_run_that_waits_in_line_is_nobodys_work() -> None:
    workflow = limited(1)
    first, second = begin(workflow).run_id, begin(workflow).run_id

    work(second, is_patient=False)

    assert state(second) == "running"
    assert waits_for(second) == IN_LINE
    assert waits_for(first) == READY


def test_keys_do_not_wait_for_each_other() -> None:
    workflow = limited(1)

    ids = [begin(workflow, customer=customer).run_id for customer in "abc"]

    assert [waits_for(run_id) for run_id in ids] == [READY] * 3


def test_cancelling_a_holder_lets_the_next_one_in() -> None:
    workflow = limited(1)
    first, second = begin(workflow).run_id, begin(workflow).run_id

    cancel(first)

    assert waits_for(second) == READY


def test_cancelling_one_in_line_leaves_the_line() -> None:
    workflow = limited(1)
    first, second, third = (begin(workflow).run_id for _ in range(3))

    cancel(second)
    work(first)

    assert waits_for(third) == READY
    work(third)
    assert slots_of(workflow) == 0


def test_deadline_that_passes_frees_the_slot() -> None:
    workflow = limited(1, deadline="1h")
    first, second = begin(workflow).run_id, begin(workflow).run_id

    assert operations.expire_run(run_id=first, now=timezone.now() + timedelta(hours=2))

    assert waits_for(second) == READY


def test_failed_run_frees_its_slot_and_waits_for_it_again_when_requeued() -> None:
    steps = {"only": call("fail_on", args={"value": KEY, "bad": "a"}, retry={"attempts": 1})}
    workflow = publish(steps, concurrency={"key": "one", "limit": 1})
    first, second = begin(workflow).run_id, begin(workflow, customer="b").run_id
    work(first)
    assert (state(first), waits_for(second)) == ("failed", READY)

    letter = DeadLetter.objects.get(run_id=first)
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())

    assert (state(first), waits_for(first)) == ("running", IN_LINE)
    work(second)
    assert waits_for(first) == READY
    work(first)
    assert state(first) == "failed"
    assert slots_of(workflow) == 0


def test_requeue_of_a_second_dead_letter_waits_with_its_run() -> None:
    bad = call("fail_on", args={"value": KEY, "bad": "a"}, retry={"attempts": 1})
    workflow = publish({"left": bad, "right": bad}, concurrency={"limit": 1})
    first, second = begin(workflow).run_id, begin(workflow, customer="b").run_id
    work(first)
    for letter in DeadLetter.objects.filter(run_id=first):
        operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())

    waiting = Activation.objects.filter(run_id=first).values_list("state", "wait_reason")

    assert list(waiting) == [IN_LINE, IN_LINE]
    work(second)
    assert set(Activation.objects.filter(run_id=first).values_list("state", "wait_reason")) == {READY}


def test_reject_names_the_holder_and_leaves_nothing() -> None:
    workflow = limited(1, overflow="reject")
    first = begin(workflow).run_id

    with pytest.raises(ConcurrencyReached) as refused:
        begin(workflow)

    assert refused.value.holders == (first,)
    assert str(first) in str(refused.value)
    assert Run.objects.filter(workflow_name=workflow).count() == 1
    work(first)
    assert begin(workflow).is_new


def test_cancel_newest_records_the_newcomer_as_cancelled() -> None:
    workflow = limited(1, overflow="cancel_newest")
    first = begin(workflow).run_id

    second = begin(workflow)

    run = Run.objects.get(id=second.run_id)
    assert (second.is_new, second.state, run.state, run.error["kind"]) == (
        True,
        "cancelled",
        "cancelled",
        "concurrency",
    )
    assert str(first) in run.error["message"]
    assert state(first) == "running"
    assert slots_of(workflow) == 1


def test_cancel_oldest_takes_the_place_of_the_oldest_holder() -> None:
    workflow = limited(2, overflow="cancel_oldest")
    first, second, third = (begin(workflow).run_id for _ in range(3))

    assert [state(run_id) for run_id in (first, second, third)] == ["cancelled", "running", "running"]
    assert waits_for(third) == READY
    assert str(third) in str(Run.objects.get(id=first).error)
    assert slots_of(workflow) == 2


def test_several_limits_are_all_met_and_none_blocks_another_key() -> None:
    rules = [{"key": KEY, "limit": 1}, {"limit": 2}]
    workflow = publish(STEPS, concurrency=rules)
    a1, a2, b1, c1 = (begin(workflow, customer=customer).run_id for customer in ("a", "a", "b", "c"))

    assert [waits_for(run_id) for run_id in (a1, a2, b1, c1)] == [READY, IN_LINE, READY, IN_LINE]
    work(b1)
    assert [waits_for(a2), waits_for(c1)] == [IN_LINE, READY]
    work(a1)
    assert waits_for(a2) == READY
    work(a2)
    work(c1)
    assert slots_of(workflow) == 0


def test_raised_limit_of_a_newer_version_lets_in_more() -> None:
    workflow = limited(1)
    first, second = begin(workflow).run_id, begin(workflow).run_id
    rule = f"{{key: '{KEY}', limit: 3}}"
    source = f"{{name: {workflow}, steps: {{only: {{uses: set, with: {{}}}}}}, concurrency: {rule}}}"
    operations.publish(source=source, actor=TESTER, now=timezone.now())

    third = begin(workflow).run_id

    assert waits_for(third) == READY
    work(first)
    assert waits_for(second) == READY


def test_singleton_skip_gives_the_run_that_is_there() -> None:
    workflow = publish(STEPS, singleton={"key": KEY})
    first, key = begin(workflow), f"test:{uuid4()}"

    second = begin(workflow, key=key)
    work(first.run_id)
    again = begin(workflow, key=key)

    assert (second.run_id, second.is_new, second.joined) == (first.run_id, False, "singleton")
    assert (again.run_id, again.is_new) == (first.run_id, False)
    assert Run.objects.filter(workflow_name=workflow).count() == 1
    assert JoinedStart.objects.filter(run_id=first.run_id).count() == 1
    assert begin(workflow).is_new


def test_skipped_and_rejected_starts_use_up_nothing_of_a_rate() -> None:
    rate = {"limit": 3, "period": "1h"}
    for rule in ({"singleton": {}}, {"concurrency": {"limit": 1, "overflow": "reject"}}):
        workflow = publish(STEPS, rate_limit=rate, **rule)
        first = begin(workflow)
        for _ in range(5):
            with suppress(ConcurrencyReached):
                begin(workflow)
        work(first.run_id)

        assert begin(workflow).is_new


def test_slot_of_a_run_that_was_ended_by_other_means_is_freed_by_the_sweep() -> None:
    workflow = limited(1)
    first, second = begin(workflow).run_id, begin(workflow).run_id
    Activation.objects.filter(run_id=first).delete()
    Run.objects.filter(id=first).update(state="cancelled", ended_at=timezone.now())

    assert gate_sweeps.free_lost_slots(now=timezone.now()) >= 1

    assert waits_for(second) == READY


def test_end_and_cancel_of_the_same_runs_at_once_leave_no_slot() -> None:
    workflow = limited(2)
    ids = [begin(workflow).run_id for _ in range(24)]

    def end(turn: int) -> None:
        for run_id in ids[:: 1 if turn % 2 else -1]:
            if turn < 4:
                with suppress(RunEnded):
                    cancel(run_id)
            else:
                work(run_id)

    threads = [aside(lambda turn=turn: end(turn)) for turn in range(8)]  # type: ignore[misc]  # a default binds it
    for thread in threads:
        thread.join(120)

    assert not any(thread.is_alive() for thread in threads)
    assert set(Run.objects.filter(id__in=ids).values_list("state", flat=True)) <= {"succeeded", "cancelled"}
    assert slots_of(workflow) == 0


def test_singleton_queue_and_cancel() -> None:
    queue, cancelling = (publish(STEPS, singleton={"mode": mode}) for mode in ("queue", "cancel"))
    first, second = begin(queue).run_id, begin(queue).run_id
    third, fourth = begin(cancelling).run_id, begin(cancelling).run_id

    assert [waits_for(first), waits_for(second)] == [READY, IN_LINE]
    work(first)
    assert waits_for(second) == READY
    assert [state(third), state(fourth)] == ["cancelled", "running"]


def test_singleton_comes_before_concurrency() -> None:
    workflow = publish(STEPS, singleton={"key": KEY, "mode": "queue"}, concurrency={"key": "all", "limit": 1})
    a1, a2, b1 = (begin(workflow, customer=customer).run_id for customer in "aab")

    work(a1)
    let_in(a2)

    assert [waits_for(a2), waits_for(b1)] == [IN_LINE, READY]
    work(b1)
    assert waits_for(a2) == READY
    work(a2)
    assert slots_of(workflow) == 0


def test_repeated_start_gives_the_same_run_and_takes_no_second_slot() -> None:
    workflow, key = limited(2, overflow="reject"), f"test:{uuid4()}"
    first = begin(workflow, key=key)

    again = begin(workflow, key=key)

    assert (again.run_id, again.is_new) == (first.run_id, False)
    assert slots_of(workflow) == 1
    assert begin(workflow).is_new


def test_key_that_cannot_be_computed_is_told_with_its_path() -> None:
    with pytest.raises(InputInvalid) as refused:
        start(limited(1), value={"client": "a"})

    assert refused.value.problems[0].path == "$.concurrency.key"


def test_threads_on_one_key_never_exceed_the_limit_nor_leak_a_slot() -> None:
    workflow = limited(3)
    peaks: list[int] = []

    def one() -> None:
        for _ in range(5):
            run_id = begin(workflow).run_id
            held = RunSlot.objects.filter(run_id__in=list(runs()), number__isnull=False).count()
            peaks.append(held)
            if waits_for(run_id) == READY:
                work(run_id)

    def runs() -> list[UUID]:
        return list(Run.objects.filter(workflow_name=workflow).values_list("id", flat=True))

    threads = [aside(one) for _ in range(8)]
    for thread in threads:
        thread.join(120)
    while left := list(Run.objects.filter(workflow_name=workflow, state="running").values_list("id", flat=True)):
        ready = [run_id for run_id in left if waits_for(run_id) == READY]
        assert ready, "somebody waits, and nobody holds a slot"
        work(*ready)

    assert max(peaks) <= 3
    assert Run.objects.filter(workflow_name=workflow, state="succeeded").count() == 40
    assert slots_of(workflow) == 0


def test_threads_that_supersede_each_other_leave_one_run() -> None:
    workflow = limited(1, overflow="cancel_oldest")

    threads = [aside(lambda: begin(workflow)) for _ in range(8)]
    for thread in threads:
        thread.join(120)

    states = sorted(Run.objects.filter(workflow_name=workflow).values_list("state", flat=True))
    assert states == ["cancelled"] * 7 + ["running"]
    assert slots_of(workflow) == 1


def test_start_that_is_rolled_back_leaves_no_slot() -> None:
    workflow = limited(1)
    with transaction.atomic():
        begin(workflow)
        transaction.set_rollback(True)

    assert waits_for(begin(workflow).run_id) == READY


def test_many_starts_at_once_share_the_slots_in_their_order() -> None:
    workflow = limited(1)
    starts = [Start(input={"customer": customer}) for customer in "abab"]

    started = operations.start_runs(workflow=workflow, starts=starts, actor=TESTER, now=timezone.now())

    assert [waits_for(one.run_id) for one in started] == [READY, READY, IN_LINE, IN_LINE]
    assert trail_of(started[2].run_id, "run.queued") == [{"key": "a", "reason": "concurrency"}]
