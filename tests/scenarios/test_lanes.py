"""Lanes with real workers: critical work is started within a step's time, however much bulk work is queued."""

import os
import signal
from statistics import median
from uuid import UUID

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


def waits(workflow: str) -> list[float]:
    """This will start runs one after the other, and give how long each waited for its first step."""
    found: list[float] = []
    for _ in range(_SAMPLES):
        run_id = start(workflow)
        wait_for_end(run_id)
        step = Step.objects.get(run_id=run_id)
        assert step.started_at is not None
        found.append((step.started_at - Run.objects.get(id=run_id).created_at).total_seconds())
    return found


def queue_bulk(count: int) -> list[UUID]:
    """This will start runs of two short steps in the lane `bulk`."""
    step = {"queue": "bulk", "args": {"seconds": _BULK_S}}
    workflow = publish({"a": call("sleep", **step), "b": call("sleep", needs="a", **step)})
    starts = [operations.Start()] * count
    started = operations.start_runs(workflow=workflow, starts=starts, actor=TESTER, now=timezone.now())
    return [one.run_id for one in started]


def test_critical_steps_overtake_a_long_queue_in_a_worker_that_serves_both(worker_processes: Processes) -> None:
    """One child, more than 20 s of bulk work: without overtaking a critical step would wait for all of it."""
    worker_processes.start_worker(env={**HASTY, "SHIFT_S": "5"}, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    workflow = publish({"act": call("noop", queue="critical")})
    idle = waits(workflow)
    bulk = queue_bulk(_BULK)
    wait_until(lambda: Step.objects.filter(run_id__in=bulk).exists(), what="bulk work is under way", limit_s=30)

    loaded = waits(workflow)

    assert Activation.objects.filter(run_id__in=bulk).count() > _BULK / 10, "the queue was empty before the end"
    assert median(loaded) < 3 * median(idle) + 5 * _BULK_S
    assert max(loaded) < 3 * max(idle) + 1.0
    Activation.objects.filter(run_id__in=bulk).delete()


def test_child_that_dies_while_it_makes_way_leaves_nothing_behind(worker_processes: Processes) -> None:
    """Whoever takes its place does the urgent work, then the rest, and makes way for nobody any more."""
    worker_processes.start_worker(env=HASTY)
    worker_processes.start_scheduler(env=HASTY)
    bulk = queue_bulk(20)
    at_work = Activation.objects.filter(run_id__in=bulk, state="leased")
    wait_until(at_work.exists, what="bulk work is under way", limit_s=30)
    critical = [start(publish({"act": call("noop", queue="critical")})) for _ in range(3)]
    held = at_work.values_list("owner", flat=True).first()

    if held is not None:
        os.kill(int(held.rpartition(":")[2]), signal.SIGKILL)
    runs = wait_for_end(*critical, *bulk, limit_s=60)

    assert held is not None, "nothing was at work: queue more"
    assert {run.state for run in runs} == {"succeeded"}
