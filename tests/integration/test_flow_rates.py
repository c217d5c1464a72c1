"""Throttle and rate limit: as the pure algorithm says, whoever comes at the same moment; nothing goes uncounted."""

import threading
import time
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from tests.flows.driving import TESTER, aside, call, let_in, publish, start, trail, waits_for, work
from tests.support.waiting import wait_until
from workflows import operations
from workflows.core import gcra
from workflows.core.gcra import Rate
from workflows.errors import StartRateLimited
from workflows.models import Activation, Gate, Run
from workflows.operations import Start, gate_sweeps

pytestmark = pytest.mark.usefixtures("database")
STEPS = {"only": call("noop")}
KEY = "${{ input }}"
READY = ("ready", "worker")
THROTTLED = ("waiting", "throttle")


def throttled(**more: object) -> str:
    """This will publish a workflow whose runs of a key begin ten minutes apart."""
    return publish(STEPS, throttle={"key": KEY, "limit": 1, "period": "10m", **more})


def limited(**more: object) -> str:
    """This will publish a workflow that takes two starts of a key at once, and another every five minutes."""
    return publish(STEPS, rate_limit={"key": KEY, "limit": 2, "period": "10m", **more})


def due_in_s(run_id: UUID) -> float:
    """This will give in how many seconds the run is let in."""
    due_at = Activation.objects.get(run_id=run_id).due_at
    return (due_at - timezone.now()).total_seconds()


def later(workflow: str, *, seconds: float) -> None:
    """This will let time pass for the gates of a workflow."""
    gates = Gate.objects.filter(workflow_name=workflow)
    gates.update(tat=F("tat") - timedelta(seconds=seconds), touched_at=F("touched_at") - timedelta(seconds=seconds))


def test_throttle_spaces_runs_evenly_and_drops_none() -> None:
    workflow = throttled()

    ids = [start(workflow, value="a") for _ in range(4)]

    assert [waits_for(run_id) for run_id in ids] == [READY, THROTTLED, THROTTLED, THROTTLED]
    assert [round(due_in_s(run_id) / 600) for run_id in ids[1:]] == [1, 2, 3]
    assert trail(ids[1]) == ["run.started", "run.queued"]


def test_throttle_lets_a_burst_begin_at_once() -> None:
    workflow = throttled(burst=3)

    ids = [start(workflow, value="a") for _ in range(4)]

    assert [waits_for(run_id) for run_id in ids] == [READY, READY, READY, THROTTLED]
    assert round(due_in_s(ids[3]) / 600) == 1


def test_throttled_run_is_let_in_when_its_time_has_come() -> None:
    workflow = throttled()
    _first, second = start(workflow, value="a"), start(workflow, value="a")

    let_in(second)
    work(second)

    assert trail(second) == ["run.started", "run.queued", "run.admitted", "step.succeeded", "run.succeeded"]


def test_throttled_run_waits_for_a_slot_when_its_time_has_come() -> None:
    workflow = publish(STEPS, throttle={"limit": 1, "period": "10m"}, concurrency={"limit": 1})
    first, second = start(workflow), start(workflow)

    let_in(second)

    assert waits_for(second) == ("waiting", "concurrency")
    work(first)
    assert waits_for(second) == READY


def test_throttle_keeps_keys_apart() -> None:
    workflow = throttled()

    assert [waits_for(start(workflow, value=value)) for value in "ab"] == [READY, READY]


def test_rate_limit_refuses_and_counts_the_excess_and_says_when_to_come_again() -> None:
    workflow = limited()
    start(workflow, value="a")
    start(workflow, value="a")

    with pytest.raises(StartRateLimited) as refused:
        start(workflow, value="a")
    with pytest.raises(StartRateLimited):
        start(workflow, value="a")

    assert 290 < refused.value.again_in_s <= 300
    assert Gate.objects.get(workflow_name=workflow).refused == 2
    assert Run.objects.filter(workflow_name=workflow).count() == 2
    start(workflow, value="b")


def test_rate_limit_takes_starts_again_after_the_time_it_has_named() -> None:
    workflow = limited()
    start(workflow, value="a")
    start(workflow, value="a")
    with pytest.raises(StartRateLimited) as refused:
        start(workflow, value="a")

    later(workflow, seconds=refused.value.again_in_s)

    start(workflow, value="a")
    with pytest.raises(StartRateLimited):
        start(workflow, value="a")


def test_repeated_start_consumes_nothing_of_a_rate() -> None:
    workflow, key = limited(), f"test:{uuid4()}"

    ids = {start(workflow, value="a", key=key) for _ in range(5)}
    start(workflow, value="a")

    assert len(ids) == 1
    assert Gate.objects.get(workflow_name=workflow).refused == 0


def test_refused_start_may_come_again_with_its_key() -> None:
    workflow, key = limited(), f"test:{uuid4()}"
    start(workflow, value="a")
    start(workflow, value="a")
    with pytest.raises(StartRateLimited):
        start(workflow, value="a", key=key)

    later(workflow, seconds=600)

    assert start(workflow, value="a", key=key)


def test_statement_agrees_with_the_pure_algorithm() -> None:
    rate = Rate(limit=10, period_s=3.0, burst=4)
    workflow = publish(STEPS, throttle={"limit": 10, "period": "3s", "burst": 4})
    tat: float | None = None
    for _ in range(12):
        run_id = start(workflow)
        gate = Gate.objects.get(workflow_name=workflow)
        now = gate.touched_at.timestamp()
        turn = gcra.take_turn(rate, tat=tat, now=now)
        assert gate.tat is not None
        tat = gate.tat.timestamp()
        assert tat == pytest.approx(turn.tat, abs=1e-5)
        assert (waits_for(run_id) == THROTTLED) == (turn.delay_s > 0)


@pytest.mark.parametrize("is_keyed", [False, True])
def test_threads_on_one_key_are_let_in_no_more_often_than_the_rate(is_keyed: bool) -> None:
    workflow = publish(STEPS, rate_limit={"limit": 5, "period": "1h"})
    gate = threading.Barrier(8)
    refused: list[float] = []

    def one() -> None:
        gate.wait()
        for _ in range(3):
            try:
                start(workflow, key=f"test:{uuid4()}" if is_keyed else None)
            except StartRateLimited as error:
                refused.append(error.again_in_s)

    threads = [aside(one) for _ in range(8)]
    for thread in threads:
        thread.join(120)

    assert Run.objects.filter(workflow_name=workflow).count() == 5
    assert len(refused) == 19
    assert Gate.objects.get(workflow_name=workflow).refused == 19


def test_bulk_starters_of_crossed_keys_do_not_block_each_other() -> None:
    workflow = publish(
        STEPS, throttle={"key": KEY, "limit": 1000, "period": "1s"}, concurrency={"key": KEY, "limit": 9}
    )
    failures: list[Exception] = []
    together = threading.Barrier(6)

    def one(values: list[str]) -> None:
        together.wait()
        for _ in range(5):
            try:
                starts = [Start(input=value) for value in values]
                operations.start_runs(workflow=workflow, starts=starts, actor=TESTER, now=timezone.now())
            except Exception as error:  # noqa: BLE001  whatever it is, the test tells it
                failures.append(error)

    names = list("abcdefgh")
    threads = [aside(lambda turn=turn: one(names if turn % 2 else names[::-1])) for turn in range(6)]  # type: ignore[misc]  # a default binds it
    for thread in threads:
        thread.join(120)

    assert failures == []
    assert Run.objects.filter(workflow_name=workflow).count() == 6 * 5 * 8


def test_start_of_another_key_does_not_wait_for_a_long_transaction() -> None:
    workflow = throttled()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            start(workflow, value="a")
            held.set()
            done.wait(120)

    thread = aside(hold)
    assert held.wait(120)
    began = time.monotonic()
    start(workflow, value="b")
    took = time.monotonic() - began
    done.set()
    thread.join(120)

    assert took < 60, "it waited for the other key"


def test_gates_that_mean_nothing_any_more_are_swept() -> None:
    workflow = throttled()
    first = start(workflow, value="a")
    start(workflow, value="b")
    later(workflow, seconds=100_000)
    start(workflow, value="b")

    gate_sweeps.sweep_gates(now=timezone.now())

    wait_until(lambda: Gate.objects.filter(workflow_name=workflow).count() == 1, what="only the key in use is left")
    assert Gate.objects.get(workflow_name=workflow).key == "b"
    assert waits_for(first) == READY
