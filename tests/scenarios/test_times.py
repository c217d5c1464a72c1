"""Times of steps are kept whoever dies: the worker that has the step, or the scheduler that would end it."""

from tests.flows.driving import begin, call, states, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows.models import Attempt, DeadLetter

LONG = {**HASTY, "LEASE_S": "60"}
"""Leases that outlast the test: only the times of the steps end what is lost."""


def test_times_are_kept_without_any_worker(worker_processes: Processes, ledger: Ledger) -> None:
    worker = worker_processes.start_worker(env=LONG, wait=False)
    scheduler = worker_processes.start_scheduler(env=LONG)
    hit = begin(
        {
            "hit": call(
                "effect", args={"ledger": str(ledger.path), "seconds": 40}, timeout={"schedule_to_close": "6s"}
            ),
            "mend": {"uses": "set", "needs": "hit", "when": "all_failed", "with": {}},
        }
    )
    wait_until(lambda: ledger.entries("begin", step="hit"), what="the step has begun")
    worker.kill()
    scheduler.kill()
    late = begin({"late": call("noop", timeout={"schedule_to_start": "1s"})})

    worker_processes.start_scheduler(env=LONG)
    (run,) = wait_for_end(late)
    wait_until(lambda: states(hit) == {"hit": "failed"}, what="the lost step was ended")
    assert run.state == "failed"
    assert DeadLetter.objects.get(run_id=late).message == "did not begin within its schedule_to_start of 1 s"
    assert list(Attempt.objects.filter(run_id=hit).values_list("kind", flat=True)) == ["timeout"]

    worker_processes.start_worker(env=LONG, wait=False)
    wait_for_end(hit)
    assert states(hit) == {"hit": "failed", "mend": "succeeded"}
    assert len(ledger.entries("begin")) == 1
    assert not ledger.entries("effect")
