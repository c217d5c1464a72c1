"""Workers that die while a run undoes what it did and tidies up: it is gone on with, and nothing is done twice."""

from functools import partial
from pathlib import Path

from django.utils import timezone

from tests.flows.driving import TESTER, begin, call, states, trail, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows import operations
from workflows.models import Attempt, Run


def test_undo_and_finally_go_on_where_their_workers_were_killed(
    worker_processes: Processes, ledger: Ledger, tmp_path: Path
) -> None:
    act = {"ledger": str(ledger.path)}
    undo_gate, tidy_gate = tmp_path / "undo", tmp_path / "tidy"
    first = worker_processes.start_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    run_id = begin(
        {
            "one": call("effect", args=act, undo=call("effect", args=act)),
            "two": call("effect", needs="one", args=act, undo=call("effect", args={**act, "gate": str(undo_gate)})),
            "three": call("effect", needs="two", args=act, undo=call("effect", args=act)),
            "fail": call("fail_on", needs="three", args={"value": 1, "bad": 1}),
        },
        **{"finally": {"tidy": call("effect", args={**act, "gate": str(tidy_gate)})}},
    )

    wait_until(lambda: ledger.entries("begin", step="two:undo"), what="the second undo has begun")
    first.kill()
    second = worker_processes.start_worker(env=HASTY, wait=False)
    wait_until(lambda: len(ledger.entries("begin", step="two:undo")) == 2, what="another worker undoes it")
    undo_gate.touch()
    wait_until(lambda: ledger.entries("begin", step="tidy"), what="finally has begun")
    second.kill()
    worker_processes.start_worker(env=HASTY, wait=False)
    wait_until(lambda: len(ledger.entries("begin", step="tidy")) == 2, what="another worker tidies up")
    tidy_gate.touch()
    (run,) = wait_for_end(run_id)

    assert run.error is not None
    assert (run.state, run.error["step"]) == ("failed", "fail")
    order = ["one", "two", "three", "three:undo", "two:undo", "one:undo", "tidy"]
    assert [entry.step for entry in ledger.entries("effect")] == order
    assert set(ledger.effects_by_key().values()) == {1}
    assert sorted(Attempt.objects.filter(run_id=run_id, kind="lost").values_list("step", flat=True)) == [
        "tidy",
        "two:undo",
    ]
    assert {step: state for step, state in states(run_id).items() if state != "succeeded"} == {"fail": "failed"}
    assert trail(run_id).count("run.ending") == trail(run_id).count("run.failed") == 1


def test_cancel_tells_running_steps_and_the_run_ends_when_they_have_stopped(
    worker_processes: Processes, ledger: Ledger
) -> None:
    worker_processes.start_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    act = {"ledger": str(ledger.path)}
    ids = [
        begin(
            {"deaf": call("work_until_told", args={**act, "heeds": heeds}, undo=call("mark", args={**act, "value": 1}))}
        )
        for heeds in (True, False)
    ]
    for run_id in ids:
        wait_until(partial(ledger.entries, "begin", run_id=run_id), what="it has begun")
        operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), grace_s=30)
        wait_for_end(run_id)

    runs = Run.objects.in_bulk(ids)
    assert [runs[run_id].state for run_id in ids] == ["cancelled", "cancelled"]
    assert states(ids[0]) == {"deaf": "cancelled"}
    assert states(ids[1]) == {"deaf": "succeeded", "deaf:undo": "succeeded"}
