"""How workers end: the first SIGTERM lets a step finish, the second hands the work back."""

from pathlib import Path

import pytest

from tests.flows.driving import begin, call, states, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows.models import Attempt

pytestmark = pytest.mark.usefixtures("dispatcher")


def test_worker_that_is_asked_to_end_finishes_its_step_first(
    worker_processes: Processes, ledger: Ledger, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    worker = worker_processes.start_worker(env=HASTY, wait=False)
    run_id = begin({"act": call("effect", args={"ledger": str(ledger.path), "gate": str(gate)})})
    wait_until(lambda: ledger.entries("begin"), what="the step has begun")

    worker.terminate()
    worker.wait_for_log("Warm shutdown")
    gate.touch()
    worker.wait()

    assert states(run_id) == {"act": "succeeded"}
    assert len(ledger.entries("effect")) == 1
    assert not Attempt.objects.filter(run_id=run_id).exists()


def test_worker_that_is_asked_twice_ends_at_once_and_another_does_its_work(
    worker_processes: Processes, ledger: Ledger, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    first = worker_processes.start_worker(env=HASTY, wait=False)
    run_id = begin({"act": call("effect", args={"ledger": str(ledger.path), "gate": str(gate)})})
    wait_until(lambda: ledger.entries("begin"), what="the step has begun")

    first.terminate()
    first.wait_for_log("Warm shutdown")
    first.terminate()
    first.wait()
    gate.touch()
    worker_processes.start_worker(env=HASTY, wait=False)
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert [entry.attempt for entry in ledger.entries("effect")] == [2]
    assert Attempt.objects.get(run_id=run_id).kind == "lost"
