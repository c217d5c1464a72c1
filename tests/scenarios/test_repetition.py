"""Polling under fire: workers and scheduler die between and within rounds; none is lost, and none done is repeated."""

from pathlib import Path

from tests.flows.driving import begin, call, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows.models import Activation, Attempt


def test_no_round_is_lost_and_no_completed_one_is_repeated(
    worker_processes: Processes, ledger: Ledger, tmp_path: Path
) -> None:
    gates = [tmp_path / f"gate-{number}" for number in (1, 2, 3)]
    until = {"condition": "${{ output.status == 'done' }}", "every": "1s", "times": 9}
    args = {"ledger": str(ledger.path), "done_in": 3, "gate": str(tmp_path / "gate-{round}")}
    first = worker_processes.start_worker(env=HASTY, wait=False)
    scheduler = worker_processes.start_scheduler(env=HASTY)
    run_id = begin({"poll": call("poll", args=args, repeat_until=until)})
    gates[0].touch()
    wait_until(lambda: Activation.objects.filter(run_id=run_id, wait_reason="repeat").exists(), what="round 1 is over")

    first.kill()  # between two rounds, with the scheduler
    scheduler.kill()
    second = worker_processes.start_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    wait_until(lambda: len(ledger.entries("begin")) == 2, what="round 2 has begun")
    second.kill()  # within a round
    worker_processes.start_worker(env=HASTY, wait=False)
    wait_until(lambda: len(ledger.entries("begin")) == 3, what="round 2 has begun again")
    for gate in gates[1:]:
        gate.touch()
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert list(ledger.effects_by_key().values()) == [1, 1, 1]
    assert list(Attempt.objects.filter(run_id=run_id).order_by("id").values_list("kind", flat=True)) == [
        "repeat",
        "lost",
        "repeat",
    ]
