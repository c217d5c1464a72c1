"""Concurrency with real workers, one of which is killed: never more runs of a key than its limit, no slot is left."""

import random
from collections import defaultdict
from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from audit import queries as audit
from tests.flows.driving import AT_ONCE, TESTER, call, publish, wait_for_end, waits_for
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows import operations
from workflows.models import Run, RunSlot
from workflows.operations import Start

KEYS = "abcde"
LIMIT = 2


def begin(workflow: str, customer: str) -> UUID:
    """This will start a run for a customer."""
    start = Start(input={"customer": customer})
    return operations.start_run(workflow=workflow, start=start, actor=TESTER, now=timezone.now()).run_id


def peaks(ledger: Ledger, *, keys: dict[str, str]) -> dict[str, int]:
    """This will give, from what the steps wrote themselves, how many runs of a key were under way at most.

    A run is under way from its first `begin` to its last `effect`, whatever became of its workers in between.
    """
    spans: dict[str, list[float]] = defaultdict(list)
    for entry in ledger.entries():
        spans[entry.run_id].append(entry.at)
    edges = [
        edge
        for run_id, times in spans.items()
        for edge in ((min(times), 1, keys[run_id]), (max(times), -1, keys[run_id]))
    ]
    now: dict[str, int] = defaultdict(int)
    highest: dict[str, int] = defaultdict(int)
    for _at, change, key in sorted(edges):
        now[key] += change
        highest[key] = max(highest[key], now[key])
    return dict(highest)


@pytest.mark.usefixtures("dispatcher")
def test_limit_holds_while_a_worker_is_killed(worker_processes: Processes, ledger: Ledger) -> None:
    workers = [worker_processes.start_worker(env=HASTY, wait=False) for _ in range(3)]
    worker_processes.start_scheduler(env=HASTY)
    act = call("effect", args={"ledger": str(ledger.path), "seconds": 0.02}, retry={**AT_ONCE, "attempts": 10})
    rule = {"key": "${{ input.customer }}", "limit": LIMIT}
    workflow = publish({"one": act, "two": {**act, "needs": "one"}}, concurrency=rule)
    customers = [KEYS[number % len(KEYS)] for number in range(200)]
    random.Random(7).shuffle(customers)
    keys = {str(begin(workflow, customer)): customer for customer in customers}
    wait_until(lambda: len(ledger.entries("effect")) > 60, what="the work is under way")

    workers[0].kill()
    runs = wait_for_end(*(UUID(run_id) for run_id in keys), limit_s=120)

    assert {run.state for run in runs} == {"succeeded"}
    at_most = peaks(ledger, keys=keys)
    assert sorted(at_most) == list(KEYS)
    assert max(at_most.values()) == LIMIT
    assert len(ledger.effects_by_key()) == 400
    assert not RunSlot.objects.filter(run_id__in=list(keys)).exists()


@pytest.mark.usefixtures("dispatcher")
def test_scheduler_lets_in_what_was_throttled_debounced_and_batched(worker_processes: Processes) -> None:
    worker_processes.start_worker(env=HASTY, wait=False)
    steps = {"only": call("echo", args={"value": "${{ input }}"})}
    throttled = publish(steps, throttle={"limit": 5, "period": "1s"})
    debounced = publish(
        steps, debounce={"period": "300ms"}, singleton={"mode": "queue"}, throttle={"limit": 9, "period": "1s"}
    )
    batched = publish(steps, batch={"size": 100, "timeout": "500ms"}, concurrency={"limit": 1})

    starts = [Start(input={"customer": str(number)}) for number in range(6)]
    ids = [
        started.run_id
        for workflow in (throttled, debounced, batched)
        for started in operations.start_runs(workflow=workflow, starts=starts, actor=TESTER, now=timezone.now())
    ]
    runs = wait_for_end(*dict.fromkeys(ids))

    assert {run.state for run in runs} == {"succeeded"}
    assert len(runs) == 6 + 1 + 1
    first = min(run.created_at for run in runs if run.workflow_name == throttled)
    last = max(
        event.at
        for run in runs
        if run.workflow_name == throttled
        for event in audit.events_for(str(run.id)).filter(kind="run.admitted")
    )
    assert (last - first).total_seconds() >= 0.95, "six runs at five a second take a second"
    assert [run.input for run in runs if run.workflow_name == debounced] == [{"customer": "5"}]
    assert [len(run.input["items"]) for run in runs if run.workflow_name == batched] == [6]


def test_run_in_line_is_let_in_though_every_scheduler_was_killed_meanwhile(
    worker_processes: Processes, ledger: Ledger, tmp_path: Path
) -> None:
    worker_processes.start_worker(env=HASTY, wait=False)
    scheduler = worker_processes.start_scheduler(env=HASTY)
    held = call("effect", args={"ledger": str(ledger.path), "gate": str(tmp_path / "gate")})
    workflow = publish({"only": held}, concurrency={"limit": 1})
    first, second = begin(workflow, "a"), begin(workflow, "a")
    wait_until(lambda: waits_for(first) == ("leased", "running"), what="the first run is at work")

    scheduler.kill()
    (tmp_path / "gate").touch()
    wait_until(lambda: Run.objects.get(id=first).state == "succeeded", what="the first run has ended")
    assert waits_for(second)[1] != "concurrency"
    worker_processes.start_scheduler(env=HASTY)

    assert [run.state for run in wait_for_end(first, second)] == ["succeeded", "succeeded"]
