"""Messages that come twice, late or to several workers at once: each step is done once, whatever Celery brings."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from celery import chord, group

from tests.flows.driving import begin, call, publish, start, states, trail, wait_for_end
from tests.flows.ledger import Ledger
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows.dispatch.canvas import wake
from workflows.models import Attempt, Item

pytestmark = pytest.mark.usefixtures("crew")


def send(run_id: UUID, *, times: int, segment: int = 0, slot: int = 0) -> None:
    """This will put the same wake-up into the queue several times."""
    for _ in range(times):
        wake([(str(run_id), segment, slot)], lane="default").apply_async()


def test_message_that_was_delivered_many_times_has_each_step_done_once(crew: Processes, ledger: Ledger) -> None:
    args = {"ledger": str(ledger.path), "seconds": 0.05}
    run_id = begin({"a": call("effect", args=args), "b": call("effect", needs="a", args=args)})

    send(run_id, times=20)
    (run,) = wait_for_end(run_id)
    send(run_id, times=5)

    assert run.state == "succeeded"
    assert [(entry.step, entry.attempt) for entry in ledger.entries("effect")] == [("a", 1), ("b", 1)]
    assert trail(run_id) == ["run.started", "step.succeeded", "step.succeeded", "run.succeeded"]


def test_two_workers_that_race_for_one_step_do_it_once(crew: Processes, ledger: Ledger) -> None:
    args = {"ledger": str(ledger.path), "seconds": 0.05}
    workflow = publish({"act": call("effect", args=args)})
    ids = [start(workflow) for _ in range(30)]

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda run_id: send(run_id, times=2), ids))
    runs = wait_for_end(*ids)

    assert {run.state for run in runs} == {"succeeded"}
    assert len(ledger.effects_by_key()) == 30
    assert set(ledger.effects_by_key().values()) == {1}
    assert len({entry.pid for entry in ledger.entries("effect")}) == 2
    assert not Attempt.objects.filter(run_id__in=ids).exists()


def test_wake_up_that_comes_too_early_does_not_start_a_join(crew: Processes, ledger: Ledger, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    args = {"ledger": str(ledger.path)}
    run_id = begin(
        {
            "quick": call("effect", args=args),
            "slow": call("effect", args={**args, "gate": str(gate)}),
            "join": call("effect", needs=["quick", "slow"], args=args),
        }
    )
    wait_until(lambda: "quick" in states(run_id), what="the quick branch has ended")
    for segment in range(3):
        send(run_id, segment=segment, times=3)

    gate.touch()
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert [entry.step for entry in ledger.entries("effect")] == ["quick", "slow", "join"]


def test_canvas_that_names_the_wrong_segments_changes_nothing(crew: Processes, ledger: Ledger) -> None:
    run_id = begin({"act": call("effect", args={"ledger": str(ledger.path)})})
    wait_for_end(run_id)
    stray = wake([(str(run_id), 7, 3)], lane="default", carries=[9])

    group(stray, stray).apply_async()
    chord([stray, stray], stray).apply_async()
    other = begin({"act": call("noop")})
    wait_for_end(other)

    assert len(ledger.entries("effect")) == 1
    assert trail(run_id) == ["run.started", "step.succeeded", "run.succeeded"]


def test_segments_on_alternating_lanes_follow_each_other_at_once(crew: Processes, ledger: Ledger) -> None:
    args = {"ledger": str(ledger.path)}
    workflow = publish(
        {
            "a": call("effect", args=args),
            "b": call("effect", needs="a", args=args, queue="io"),
            "c": call("effect", needs="b", args=args, queue="bulk"),
        }
    )
    ids = [start(workflow) for _ in range(10)]

    runs = wait_for_end(*ids)

    assert {run.state for run in runs} == {"succeeded"}
    assert set(ledger.effects_by_key().values()) == {1}


def test_async_function_runs_on_a_worker(crew: Processes, ledger: Ledger) -> None:
    args = {"ledger": str(ledger.path), "seconds": 0.1}
    run_id = begin({"act": call("effect_async", args=args), "again": call("effect_async", needs="act", args=args)})

    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert set(ledger.effects_by_key().values()) == {1}


def test_retries_of_real_workers_keep_their_delays(crew: Processes, ledger: Ledger) -> None:
    retry = {"attempts": 3, "first": "300ms", "factor": 2, "jitter": "none"}
    run_id = begin({"ask": call("fail_until", args={"attempt": 3, "ledger": str(ledger.path)}, retry=retry)})

    (run,) = wait_for_end(run_id)

    first, second, third = (entry.at for entry in ledger.entries("begin"))
    assert run.state == "succeeded"
    assert 0.3 <= second - first < 60
    assert 0.6 <= third - second < 60


def test_lease_is_kept_by_a_worker_that_is_busy_for_longer(crew: Processes, ledger: Ledger) -> None:
    """Behind a fan-out, where the worker goes on with what it did not claim by a message."""
    run_id = begin(
        {
            "map": call("noop", for_each=[1, 2, 3], parallel=2),
            "slow": call("effect", needs="map", args={"ledger": str(ledger.path), "seconds": 6}),
        }
    )

    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert len(ledger.entries("begin")) == 1
    assert not Attempt.objects.filter(run_id=run_id).exists()
    assert set(Item.objects.filter(run_id=run_id).values_list("state", flat=True)) == {"succeeded"}
