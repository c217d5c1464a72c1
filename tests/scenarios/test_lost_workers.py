"""Workers that die in the middle of their work: it is missed, done by another, and nothing completed is repeated."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction

from config.servers.guard import Guard
from tests.flows.driving import AT_ONCE, begin, call, states, trail, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY, STEADY
from tests.support.processes import Processes, TestedProcess
from tests.support.waiting import wait_until
from workflows.models import Attempt, DeadLetter, Item, Run, Step

pytestmark = pytest.mark.usefixtures("dispatcher")


@pytest.fixture(scope="module")
def worker(
    dispatcher: TestedProcess, guard: Guard, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestedProcess]:
    """This will be a worker that the tests share in which only its children die."""
    processes = Processes(directory=tmp_path_factory.mktemp("worker"), guard=guard)
    yield processes.start_worker(env=HASTY, wait=False)
    processes.end()


def test_run_goes_on_where_its_worker_was_killed(worker_processes: Processes, ledger: Ledger, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    act = {"ledger": str(ledger.path)}
    first = worker_processes.start_worker(env=HASTY, wait=False)
    run_id = begin(
        {
            "before": call("effect", args=act),
            "hit": call("effect", needs="before", args={**act, "gate": str(gate)}),
            "after": call("effect", needs="hit", args=act),
        }
    )
    wait_until(lambda: ledger.entries("begin", step="hit"), what="the second step has begun")

    first.kill()
    second = worker_processes.start_worker(env=HASTY, wait=False)
    wait_until(lambda: len(ledger.entries("begin", step="hit")) == 2, what="the second step has begun again")
    gate.touch()
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert [entry.step for entry in ledger.entries("effect")] == ["before", "hit", "after"]
    assert [entry.attempt for entry in ledger.entries("begin", step="hit")] == [1, 2]
    assert len({entry.key for entry in ledger.entries("begin", step="hit")}) == 1
    attempt = Attempt.objects.get(run_id=run_id)
    assert (attempt.step, attempt.kind) == ("hit", "lost")
    assert dict(Step.objects.filter(run_id=run_id).values_list("step", "attempts")) == {
        "before": 1,
        "hit": 2,
        "after": 1,
    }
    assert trail(run_id) == [
        "run.started",
        "step.succeeded",
        "step.lost",
        "step.succeeded",
        "step.succeeded",
        "run.succeeded",
    ]
    assert second.is_running


def test_items_of_a_killed_worker_are_done_once_by_the_other(worker_processes: Processes, ledger: Ledger) -> None:
    workers = [worker_processes.start_worker(env=STEADY, wait=False) for _ in range(2)]
    for worker in workers:
        worker.wait_for_log(" ready.")
    args = {"ledger": str(ledger.path), "seconds": 0.02}
    run_id = begin({"map": call("effect", for_each=list(range(250)), parallel=2, args=args)})
    wait_until(lambda: len({entry.pid for entry in ledger.entries("effect")}) == 2, what="both workers are at it")

    workers[0].kill()
    (run,) = wait_for_end(run_id)

    effects = ledger.effects_by_key()
    assert run.state == "succeeded"
    assert set(Item.objects.filter(run_id=run_id).values_list("state", flat=True)) == {"succeeded"}
    assert len(effects) == 250
    assert effects.total() <= 251, "at most the item under way took place twice, under the same key"
    began, done = ({(entry.key, entry.pid) for entry in ledger.entries(event)} for event in ("begin", "effect"))
    assert len(began - done) <= Attempt.objects.filter(run_id=run_id).count() <= 1
    assert states(run_id) == {"map": "succeeded"}


def test_item_that_kills_its_worker_every_time_fails_alone(worker: TestedProcess, ledger: Ledger) -> None:
    args = {"ledger": str(ledger.path), "value": "${{ item }}", "deadly": 7}
    run_id = begin({"map": call("die_on", for_each=list(range(40)), args=args, retry={**AT_ONCE, "attempts": 2})})

    (run,) = wait_for_end(run_id)

    letter = DeadLetter.objects.get(run_id=run_id)
    assert (letter.index, letter.kind, letter.attempts) == (7, "lost", 2)
    assert Item.objects.filter(run_id=run_id, state="succeeded").count() == 39
    assert run.state == "failed"
    assert len(ledger.effects_by_key()) == 39


def test_runs_that_shared_a_wake_up_with_a_deadly_one_are_all_done(worker: TestedProcess, ledger: Ledger) -> None:
    """They become due at one moment, so that many share a message."""
    retry = {**AT_ONCE, "attempts": 3}
    args = {"ledger": str(ledger.path), "value": "${{ input }}", "deadly": 20}
    with transaction.atomic():
        workflow_runs = [begin({"act": call("die_on", args=args, retry=retry)}, value=number) for number in range(40)]
    runs = wait_for_end(*workflow_runs)

    assert [number for number, run in enumerate(runs) if run.state != "succeeded"] == [20]
    assert DeadLetter.objects.get(run_id=workflow_runs[20]).kind == "lost"
    assert len(ledger.effects_by_key()) == 39


def test_step_that_ignores_its_timeout_is_ended_with_its_process(worker: TestedProcess, ledger: Ledger) -> None:
    run_id = begin({"deaf": call("ignore_timeout", timeout="500ms", args={"ledger": str(ledger.path)})})

    (run,) = wait_for_end(run_id)

    begun = ledger.entries("begin")
    assert run.state == "succeeded"
    assert [entry.attempt for entry in begun] == [1, 2]
    assert begun[0].pid != begun[1].pid
    assert Attempt.objects.get(run_id=run_id).kind == "lost"
    assert Run.objects.get(id=run_id).state == "succeeded"
