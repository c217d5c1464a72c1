"""A legacy database with few connections, many waiting steps, four worker processes, two of which are killed."""

import time
from pathlib import Path
from uuid import uuid4

import pytest
from django.utils import timezone

from benchmarks.counting_peer import CountingPeer
from tests.flows.driving import TESTER, call, publish, start, wait_for_end
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows import capacity, limit_store, operations
from workflows.models import Attempt, Slot

CAPACITY = 50
STEPS = 150
STEP_S = 0.3
ENV = {**HASTY, "LEASE_S": "6"}
"""Whoever lives keeps its lease on a busy machine: who loses it works on beside the next holder of its slot."""
pytestmark = pytest.mark.usefixtures("dispatcher")


def test_limit_holds_while_workers_are_killed_and_no_slot_is_lost(worker_processes: Processes, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    name = f"legacy-{uuid4().hex[:8]}"
    operations.set_limit(name=name, capacity=CAPACITY, actor=TESTER, now=timezone.now())
    workers = [worker_processes.start_worker(env=ENV, concurrency=14, wait=False) for _ in range(4)]
    with CountingPeer() as peer:
        args = {"port": peer.port, "seconds": STEP_S, "gate": str(gate)}
        workflow = publish({"only": call("occupy", args=args, limits=[name])})
        for worker in workers:
            worker.wait_for_log(" ready.")
        runs = [start(workflow) for _ in range(STEPS)]
        wait_until(lambda: peer.open == CAPACITY, what="all slots are at work")

        for worker in workers[:2]:
            worker.kill()
        gate.touch()
        ended = wait_for_end(*runs)

    assert {run.state for run in ended} == {"succeeded"}
    assert peer.peak <= CAPACITY
    assert Attempt.objects.filter(run__in=runs, kind="lost").exists(), "workers died while they held slots"
    assert not Slot.objects.filter(limit__name=name, holder__isnull=False).exists()
    assert limit_store.slots_leaked() == []
    report = capacity.report(name=name)
    assert (report.held, report.waiting) == (0, 0)


def test_limit_is_used_to_the_full(worker_processes: Processes) -> None:
    """Two slots, short steps: whoever waits goes on in milliseconds, not when somebody looks again."""
    name = f"narrow-{uuid4().hex[:8]}"
    operations.set_limit(name=name, capacity=2, actor=TESTER, now=timezone.now())
    worker_processes.start_worker(env=HASTY, concurrency=4, wait=False)
    with CountingPeer() as peer:
        workflow = publish({"only": call("occupy", args={"port": peer.port, "seconds": 0.2}, limits=[name])})
        wait_for_end(*(start(workflow) for _ in range(4)))
        began = time.monotonic()
        runs = [start(workflow) for _ in range(40)]
        wait_for_end(*runs)
        took_s = time.monotonic() - began

    assert peer.peak == 2
    assert took_s < 4 * 40 * 0.2 / 2, "a quarter of the time at least the slots were at work, on however busy a machine"
