"""Schedulers that die between what the database knows and what the broker knows; several that run at once."""

from tests.flows.driving import begin, call, publish, start, trail, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from workflows import due
from workflows.due import Ask
from workflows.models import Activation


def test_run_waits_for_a_scheduler_and_is_done_when_one_comes(worker_processes: Processes, ledger: Ledger) -> None:
    """The first is killed between the commit of the run and its message, the second after it took the work."""
    act = call("effect", args={"ledger": str(ledger.path)})
    worker = worker_processes.start_worker(env=HASTY, wait=False)
    first = worker_processes.start_scheduler(env=HASTY)
    worker.wait_for_log(" ready.")
    first.pause()
    run_id = begin({"act": act})
    first.kill()
    assert ledger.entries() == []
    (taken,) = due.take_due(
        asks=[Ask("default", room=500)], leads=[], groups=64, ageing_s=10.0, again_s=1.0, again_cap_s=2.0
    )
    assert [one.run_id for one in taken.dues] == [run_id]

    worker_processes.start_scheduler(env=HASTY)
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
