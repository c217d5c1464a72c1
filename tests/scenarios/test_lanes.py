"""Lanes with real workers: critical work is started within a step's time, however much bulk work is queued."""

import os
import signal
from uuid import UUID

import pytest
from django.utils import timezone

from tests.flows.driving import TESTER, call, publish, start, wait_for_end
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows import operations
from workflows.models import Activation, Run, Step

_BULK_S = 0.02
_BULK = 600
_SAMPLES = 12
pytestmark = pytest.mark.usefixtures("dispatcher")


def overtaken(workflow: str, *, by: list[UUID]) -> list[int]:
    """This will start runs one after the other, and give how many steps of others began before the one of each."""
    found: list[int] = []
    for _ in range(_SAMPLES):
        run_id = start(workflow)
        wait_for_end(run_id)
        began_at = Step.objects.get(run_id=run_id).started_at
        waited = (Run.objects.get(id=run_id).created_at, began_at)
        found.append(Step.objects.filter(run_id__in=by, started_at__range=waited).count())
    return found


def queue_bulk(count: int) -> list[UUID]:
    """This will start runs of two short steps in the lane `bulk`."""
    step = {"queue": "bulk", "args": {"seconds": _BULK_S}}
    workflow = publish({"a": call("sleep", **step), "b": call("sleep", needs="a", **step)})
    starts = [operations.Start()] * count
    started = operations.start_runs(workflow=workflow, starts=starts, actor=TESTER, now=timezone.now())
    return [one.run_id for one in started]


def test_critical_steps_overtake_a_long_queue_in_a_worker_that_serves_both(worker_processes: Processes) -> None:
    """One child, 1,200 steps of bulk work: without overtaking a critical step would wait for all of them."""
    worker_processes.start_worker(env={**HASTY, "SHIFT_S": "5"}, wait=False)
    workflow = publish({"act": call("noop", queue="critical")})
    bulk = queue_bulk(_BULK)
    wait_until(lambda: Step.objects.filter(run_id__in=bulk).exists(), what="bulk work is under way")

    before_it = overtaken(workflow, by=bulk)

    assert Activation.objects.filter(run_id__in=bulk).count() > _BULK / 10, "the queue was empty before the end"
    assert max(before_it) < _BULK / 10, before_it
    Activation.objects.filter(run_id__in=bulk).delete()


def test_child_that_dies_while_it_makes_way_leaves_nothing_behind(worker_processes: Processes) -> None:
    """Whoever takes its place does the urgent work, then the rest, and makes way for nobody any more."""
    worker_processes.start_worker(env=HASTY)
    bulk = queue_bulk(100)
    at_work = Activation.objects.filter(run_id__in=bulk, state="leased")
    wait_until(at_work.exists, what="bulk work is under way")
    critical = [start(publish({"act": call("noop", queue="critical")})) for _ in range(3)]
    held = wait_until(at_work.values_list("owner", flat=True).first, what="bulk work is under way still")

    os.kill(int(held.rpartition(":")[2]), signal.SIGKILL)
    runs = wait_for_end(*critical, *bulk)

    assert {run.state for run in runs} == {"succeeded"}
