"""A step that falls silent is missed long before its lease: its worker hangs, was stopped, or was killed."""

from pathlib import Path

from tests.flows.driving import AT_ONCE, begin, call, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows.models import Attempt, Heartbeat, Step

LONG = {**HASTY, "LEASE_S": "60"}
"""Leases that outlast the test: only heartbeats tell."""


def test_silent_step_of_a_killed_worker_goes_on_elsewhere(
    worker_processes: Processes, ledger: Ledger, tmp_path: Path
) -> None:
    first = worker_processes.start_worker(env=LONG, wait=False)
    scheduler = worker_processes.start_scheduler(env=LONG)
    args = {"ledger": str(ledger.path), "gate": str(tmp_path / "gate")}
    run_id = begin({"long": call("beat", args=args, timeout={"heartbeat": "2s"}, retry=AT_ONCE)})
    wait_until(lambda: Heartbeat.objects.filter(run_id=run_id, progress=1).exists(), what="a beat was written")

    first.kill()
    scheduler.kill()  # and with it who would have missed it
    worker_processes.start_worker(env=LONG, wait=False)
    worker_processes.start_scheduler(env=LONG, wait=False)
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert Step.objects.get(run_id=run_id).output == 2, "the second attempt knew what the first one said"
    assert list(Attempt.objects.filter(run_id=run_id).values_list("kind", flat=True)) == ["lost"]
    assert len(ledger.entries("effect")) == 1


def test_hung_coroutine_of_an_io_worker_is_missed(worker_processes: Processes) -> None:
    worker_processes.start_io_worker(env=LONG, wait=False)
    worker_processes.start_scheduler(env=LONG)
    step = call("beat_async", args={"seconds": 50}, queue="io", timeout={"heartbeat": "2s"}, retry=AT_ONCE)
    run_id = begin({"long": step})

    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert Step.objects.get(run_id=run_id).output == 2
    assert list(Attempt.objects.filter(run_id=run_id).values_list("kind", flat=True)) == ["lost"]
