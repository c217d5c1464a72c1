"""Workers that die while a step returns further steps and after it has: the run grows once."""

from pathlib import Path

from tests.flows.driving import begin, call, states, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows.models import GrownPlan


def test_run_grows_once_though_its_workers_die_before_and_behind_it(
    worker_processes: Processes, ledger: Ledger, tmp_path: Path
) -> None:
    grows, goes_on = tmp_path / "grow", tmp_path / "after"
    first = worker_processes.start_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    act = {"ledger": str(ledger.path)}
    run_id = begin(
        {
            "begin": call("noop"),
            "plan": call("grow_fan", needs="begin", args={**act, "count": 3, "gate": str(grows)}),
            "beside": call("effect", needs="begin", args=act),
            "after": call("effect", needs=["plan", "beside"], args={**act, "gate": str(goes_on)}),
        }
    )

    wait_until(lambda: ledger.entries("begin", step="plan"), what="the step that grows has begun")
    first.kill()
    second = worker_processes.start_worker(env=HASTY, wait=False)
    wait_until(lambda: ledger.entries("begin", step="after"), what="what stands behind has begun")
    assert len(ledger.entries("effect")) == 4
    second.kill()
    worker_processes.start_worker(env=HASTY, wait=False)
    goes_on.touch()
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert set(states(run_id).values()) == {"succeeded"}
    assert set(states(run_id)) == {"begin", "plan", "beside", "after", "new0", "new1", "new2"}
    assert [entry.step for entry in ledger.entries("effect")][-1] == "after"
    assert set(ledger.effects_by_key().values()) == {1}
    assert GrownPlan.objects.filter(run_id=run_id).count() == 1
