"""Times of steps are kept whoever dies: the worker that has the step, or the scheduler that would end it."""

from pathlib import Path

from django.db.models.functions import Now

from integrations.models import Notification
from tests.flows.driving import begin, call, states, trail, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows.models import Activation, Attempt, DeadLetter, Run

LONG = {**HASTY, "LEASE_S": "60"}
"""Leases that outlast the test: only the times of the steps end what is lost."""


def test_times_are_kept_without_any_worker(worker_processes: Processes, ledger: Ledger) -> None:
    worker = worker_processes.start_worker(env=LONG, wait=False)
    scheduler = worker_processes.start_scheduler(env=LONG)
    args = {"ledger": str(ledger.path), "gate": str(ledger.path.with_name("never"))}
    hit = begin(
        {
            "hit": call("effect", args=args, timeout={"schedule_to_close": "1h"}),
            "mend": {"uses": "set", "needs": "hit", "when": "all_failed", "with": {}},
        }
    )
    wait_until(lambda: ledger.entries("begin", step="hit"), what="the step has begun")
    worker.kill()
    scheduler.kill()
    Activation.objects.filter(run_id=hit).update(latest_end_at=Now())
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


def test_deadline_is_told_once_whichever_scheduler_dies(
    worker_processes: Processes, ledger: Ledger, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    deadline = {"after": "1s", "action": "notify", "notify": [{"channel": "log", "recipient": "operators"}]}
    args = {"ledger": str(ledger.path), "gate": str(gate)}
    run_id = begin({"slow": call("effect", args=args)}, deadline=deadline)
    worker_processes.start_worker(env=HASTY, wait=False)
    schedulers = [worker_processes.start_scheduler(env=HASTY, wait=False) for _ in range(2)]

    wait_until(lambda: Run.objects.get(id=run_id).deadline_missed_at is not None, what="the run is late")
    for scheduler in schedulers:
        scheduler.kill()
    worker_processes.start_scheduler(env=HASTY)
    gate.touch()
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert trail(run_id).count("run.deadline_missed") == 1
    assert Notification.objects.filter(about=str(run_id)).count() == 1
    assert len(ledger.entries("effect")) == 1
