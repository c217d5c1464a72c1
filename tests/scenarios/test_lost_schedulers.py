"""Schedulers that die between what the database knows and what the broker knows; several that run at once."""

from tests.flows.driving import begin, call, publish, start, trail, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.standstill import shut
from tests.support.waiting import wait_until
from workflows.models import Activation


def test_run_waits_for_a_scheduler_and_is_done_when_one_comes(worker_processes: Processes, ledger: Ledger) -> None:
    """The first is killed between the commit of the run and its message, the second when it has taken the work."""
    act = call("effect", args={"ledger": str(ledger.path)})
    worker = worker_processes.start_worker(env=HASTY, wait=False)
    first = worker_processes.start_scheduler(env=HASTY)
    worker.wait_for_log(" ready.")
    first.pause()
    run_id = begin({"act": act})
    first.kill()
    taken = Activation.objects.filter(run_id=run_id, dispatches=1)
    assert not taken.exists()

    with shut("workflows_workflowversion") as is_wanted:  # it has to know the plan before it sends anything
        second = worker_processes.start_scheduler(env=HASTY, wait=False)
        wait_until(lambda: taken.exists() and is_wanted(), what="the work is taken, and not sent")
        second.kill()
    assert taken.exists()
    assert ledger.entries() == []

    worker_processes.start_scheduler(env=HASTY, wait=False)
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert len(ledger.entries("effect")) == 1
    assert trail(run_id) == ["run.started", "step.succeeded", "run.succeeded"]


def test_several_schedulers_have_each_step_done_once(worker_processes: Processes, ledger: Ledger) -> None:
    worker_processes.start_worker(env=HASTY, wait=False)
    schedulers = [worker_processes.start_scheduler(env=HASTY, wait=False) for _ in range(2)]
    args = {"ledger": str(ledger.path)}
    workflow = publish(
        {
            "a": call("effect", args=args),
            "b": call("effect", needs="a", args=args, queue="io"),
            "c": call("effect", needs="a", args=args),
            "d": call("effect", needs=["b", "c"], args=args),
        }
    )
    ids = [start(workflow) for _ in range(40)]

    runs = wait_for_end(*ids)

    assert {run.state for run in runs} == {"succeeded"}
    assert all(scheduler.is_running for scheduler in schedulers)
    assert set(ledger.effects_by_key().values()) == {1}
    assert len(ledger.effects_by_key()) == 160
    assert not Activation.objects.filter(run_id__in=ids).exists()
