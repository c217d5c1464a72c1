"""Batch and debounce: several starts, one run; each of them can find it, and none is lost."""

import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db.models import F
from django.utils import timezone

from tests.flows.driving import TESTER, aside, call, let_in, publish, trail, trail_of, waits_for, work
from workflows import operations
from workflows.core.definition import JsonValue
from workflows.errors import InputInvalid, StartKeyReused
from workflows.models import Activation, Gate, JoinedStart, Run
from workflows.operations import Start, Started

pytestmark = pytest.mark.usefixtures("database")
STEPS = {"only": call("echo", args={"value": "${{ input }}"})}
READY = ("ready", "worker")
OUTPUT = "${{ steps.only.output }}"


def begin(workflow: str, value: JsonValue = None, *, key: str | None = None) -> Started:
    """This will start a run, or join one."""
    return operations.start_run(workflow=workflow, start=Start(input=value, key=key), actor=TESTER, now=timezone.now())


def batched(*, size: int = 3, **more: object) -> str:
    """This will publish a workflow whose runs take so many starts."""
    return publish(STEPS, batch={"size": size, "timeout": "10m", **more}, output=OUTPUT)


def debounced(**more: object) -> str:
    """This will publish a workflow whose runs begin after ten minutes of quiet."""
    return publish(STEPS, debounce={"period": "10m", **more}, output=OUTPUT)


def output(run_id: UUID) -> JsonValue:
    """This will do the run's work and give its output."""
    work(run_id)
    run = Run.objects.get(id=run_id)
    assert run.state == "succeeded", run.error
    return run.output


def due_in_s(run_id: UUID) -> float:
    """This will give in how many seconds the run is let in."""
    return (Activation.objects.get(run_id=run_id).due_at - timezone.now()).total_seconds()


def test_batch_waits_for_more_starts_and_gives_every_caller_its_run() -> None:
    workflow = batched()

    started = [begin(workflow, number) for number in range(2)]

    assert started[0].run_id == started[1].run_id
    assert [(one.is_new, one.joined) for one in started] == [(True, ""), (False, "batch")]
    assert waits_for(started[0].run_id) == ("waiting", "batch")
    assert 590 < due_in_s(started[0].run_id) <= 600
    assert trail(started[0].run_id) == ["run.started", "run.queued", "run.joined"]


def test_batch_begins_when_it_is_full_and_another_one_is_opened() -> None:
    workflow = batched()

    started = [begin(workflow, number) for number in range(4)]

    first, other = started[0].run_id, started[3].run_id
    assert first != other
    assert output(first) == {"items": [0, 1, 2]}
    assert waits_for(other) == ("waiting", "batch")


def test_batch_begins_when_its_time_is_over() -> None:
    workflow = batched()
    started = [begin(workflow, {"n": number}) for number in range(2)]

    let_in(started[0].run_id)
    late = begin(workflow, {"n": 2})

    assert output(started[0].run_id) == {"items": [{"n": 0}, {"n": 1}]}
    assert late.is_new


def test_batch_of_one_begins_at_once() -> None:
    assert output(begin(batched(size=1), "x").run_id) == {"items": ["x"]}


def test_batch_checks_each_input_against_the_schema_of_an_item() -> None:
    workflow = publish(STEPS, batch={"size": 2, "timeout": "1m"}, input={"type": "integer"}, output=OUTPUT)
    first = begin(workflow, 1)

    with pytest.raises(InputInvalid):
        begin(workflow, "two")

    begin(workflow, 2)
    assert output(first.run_id) == {"items": [1, 2]}


def test_batch_counts_a_repeated_start_once() -> None:
    workflow, keys = batched(), [f"test:{uuid4()}" for _ in range(2)]
    first = [begin(workflow, 1, key=keys[0]) for _ in range(3)]
    second = [begin(workflow, 2, key=keys[1]) for _ in range(3)]

    with pytest.raises(StartKeyReused):
        begin(workflow, 3, key=keys[1])
    begin(workflow, 3)

    run_id = first[0].run_id
    assert {one.run_id for one in (*first, *second)} == {run_id}
    assert output(run_id) == {"items": [1, 2, 3]}
    assert begin(workflow, 2, key=keys[1]).run_id == run_id


def test_batches_of_keys_are_apart_and_go_through_the_other_gates() -> None:
    workflow = batched(size=2, key="${{ input.customer }}")
    a, b = begin(workflow, {"customer": "a"}), begin(workflow, {"customer": "b"})

    assert a.run_id != b.run_id
    limited = publish(
        STEPS,
        batch={"size": 2, "timeout": "1m", "key": "${{ input.customer }}"},
        concurrency={"key": "${{ input.customer }}", "limit": 1},
    )
    ids = [begin(limited, {"customer": "a"}).run_id for _ in range(4)]
    assert [waits_for(ids[0]), waits_for(ids[2])] == [READY, ("waiting", "concurrency")]
    work(ids[0])
    assert waits_for(ids[2]) == READY


def test_threads_fill_batches_without_losing_an_input() -> None:
    workflow = batched(size=5)
    together = threading.Barrier(8)

    def one(number: int) -> None:
        together.wait()
        for turn in range(5):
            begin(workflow, number * 5 + turn)

    threads = [aside(lambda number=number: one(number)) for number in range(8)]  # type: ignore[misc]  # a default binds it
    for thread in threads:
        thread.join(120)

    ids = list(Run.objects.filter(workflow_name=workflow).values_list("id", flat=True))
    outputs = [output(run_id) for run_id in ids]
    items = [item for one in outputs if isinstance(one, dict) for item in one["items"]]
    assert len(ids) == 8
    assert sorted(items) == list(range(40))


def test_cancelled_batch_takes_no_more_starts() -> None:
    workflow = batched()
    first = begin(workflow, 1)
    operations.cancel_run(run_id=first.run_id, actor=TESTER, now=timezone.now())

    second = begin(workflow, 2)

    assert (second.is_new, second.run_id == first.run_id) == (True, False)


def test_debounce_begins_once_with_the_latest_input() -> None:
    workflow = debounced()
    started = [begin(workflow, number) for number in range(3)]

    run_id = started[0].run_id
    let_in(run_id)

    assert {one.run_id for one in started} == {run_id}
    assert [(one.is_new, one.joined) for one in started] == [(True, ""), (False, "debounce"), (False, "debounce")]
    assert output(run_id) == 2
    assert [event["position"] for event in trail_of(run_id, "run.joined")] == [1, 2]


def test_debounce_waits_for_a_period_of_quiet_after_each_start() -> None:
    workflow = debounced()
    run_id = begin(workflow, 1).run_id
    Activation.objects.filter(run_id=run_id).update(due_at=F("due_at") - timedelta(minutes=9))

    begin(workflow, 2)

    assert waits_for(run_id) == ("waiting", "debounce")
    assert 590 < due_in_s(run_id) <= 600


def test_debounce_is_put_off_no_longer_than_its_timeout() -> None:
    workflow = debounced(timeout="15m")
    run_id = begin(workflow, 1).run_id
    Gate.objects.filter(run_id=run_id).update(opened_at=F("opened_at") - timedelta(minutes=12))

    begin(workflow, 2)

    assert 170 < due_in_s(run_id) <= 180


def test_debounce_opens_another_run_after_the_first_has_begun() -> None:
    workflow = debounced()
    first = begin(workflow, 1)
    let_in(first.run_id)

    second = begin(workflow, 2)

    assert second.is_new
    assert output(first.run_id) == 1


def test_debounced_start_with_a_key_gives_the_same_run_for_ever() -> None:
    workflow, key = debounced(), f"test:{uuid4()}"
    first = begin(workflow, 1)
    second = begin(workflow, 2, key=key)
    let_in(first.run_id)
    begin(workflow, 3)

    again = begin(workflow, 2, key=key)

    assert (second.run_id, again.run_id, again.is_new) == (first.run_id, first.run_id, False)
    assert JoinedStart.objects.filter(run_id=first.run_id).count() == 1


def test_debounced_run_then_finds_the_singleton_taken_and_is_recorded_as_cancelled() -> None:
    workflow = publish(STEPS, debounce={"period": "1m"}, singleton={})
    first = begin(workflow, 1).run_id
    let_in(first)
    second = begin(workflow, 2).run_id

    let_in(second)

    run = Run.objects.get(id=second)
    assert (run.state, run.error["kind"]) == ("cancelled", "concurrency")
    assert str(first) in run.error["message"]


def test_letting_in_twice_changes_nothing() -> None:
    run_id = begin(debounced(), 1).run_id

    let_in(run_id, run_id)

    assert waits_for(run_id) == READY
    assert trail(run_id).count("run.admitted") == 1
