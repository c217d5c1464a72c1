"""Workers and schedulers that die while a cancel is on its way to the runs below: it arrives, and all end."""

from pathlib import Path
from uuid import UUID

from django.utils import timezone

from tests.flows.driving import TESTER, begin, call, publish, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows import operations
from workflows.models import ChildRun, Run


def children_of(*run_ids: UUID) -> list[UUID]:
    """This will give the runs that these have started."""
    return list(ChildRun.objects.filter(parent_id__in=run_ids).order_by("id").values_list("child_id", flat=True))


def test_cancel_reaches_the_bottom_though_everybody_dies_behind_it(
    worker_processes: Processes, ledger: Ledger, tmp_path: Path
) -> None:
    act = {"ledger": str(ledger.path)}
    bottom = publish(
        {
            "done": call("effect", args=act, undo=call("effect", args={**act, "gate": str(tmp_path / "undo")})),
            "rest": {"needs": "done", "uses": "wait", "with": {"for": "1d"}},
        },
        cancel={"undo": True},
    )
    middle = publish({"child": {"uses": "workflow", "with": {"name": bottom}}})
    worker = worker_processes.start_worker(env=HASTY, wait=False)
    scheduler = worker_processes.start_scheduler(env=HASTY)
    run_id = begin({"child": {"uses": "workflow", "with": {"name": middle}}})
    wait_until(lambda: len(family(run_id)) == 3, what="all three have begun")
    wait_until(lambda: ledger.entries("effect"), what="the bottom has done something")

    scheduler.kill()
    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
    assert Run.objects.get(id=run_id).state == "running"
    worker_processes.start_scheduler(env=HASTY)
    wait_until(lambda: len(ledger.entries("begin", step="done:undo")) == 1, what="the bottom undoes what it did")
    worker.kill()
    worker_processes.start_worker(env=HASTY, wait=False)
    (tmp_path / "undo").touch()
    runs = wait_for_end(*reversed(family(run_id)))

    assert [run.state for run in runs] == ["cancelled"] * 3
    ends = [run.ended_at for run in runs if run.ended_at is not None]
    assert ends == sorted(ends)
    assert [entry.step for entry in ledger.entries("effect")] == ["done", "done:undo"]


def family(run_id: UUID) -> list[UUID]:
    """This will give a run and those below it, from the top."""
    below = children_of(run_id)
    return [run_id, *(one for child in below for one in family(child))]
