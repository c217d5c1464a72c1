"""Events under fire: a worker dies behind the receipt of an event, a scheduler between waking and dispatch."""

from threading import Event as Signal
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from tests.flows.driving import TESTER, aside, call, publish, start, trail, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows import operations
from workflows.core.correlation import NewEvent
from workflows.models import EventWait, Step


def publish_paid(key: str, *, event_id: str) -> operations.Published:
    """This will publish an event `paid`."""
    event = NewEvent(id=event_id, source="shop", type="paid", key=key)
    return operations.publish_event(event, actor=TESTER, now=timezone.now())


def hold_ends_of_steps(*, is_held: Signal, may_end: Signal) -> None:
    """This will let no step end until it is told to, and then take back what dead processes still want to write."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("lock table workflows_step in share mode")
        is_held.set()
        may_end.wait(60)
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock' and pid <> pg_backend_pid()"
        )


def test_each_step_receives_one_event_whoever_dies_meanwhile(worker_processes: Processes, ledger: Ledger) -> None:
    key = uuid4().hex
    paid = {"uses": "wait", "with": {"event": {"type": "paid", "key": "${{ input.key }}"}, "for": "1h"}}
    workflow = publish({"paid": paid, "act": call("effect", needs="paid", args={"ledger": str(ledger.path)})})
    first = worker_processes.start_worker(env=HASTY, wait=False)
    scheduler = worker_processes.start_scheduler(env=HASTY)
    one, two = (start(workflow, value={"key": f"{key}-{n}"}) for n in (1, 2))
    wait_until(lambda: EventWait.objects.filter(run_id__in=(one, two)).count() == 2, limit_s=40, what="both wait")

    is_held, may_end = Signal(), Signal()
    holder = aside(lambda: hold_ends_of_steps(is_held=is_held, may_end=may_end))
    assert is_held.wait(10)
    publish_paid(f"{key}-1", event_id=f"{key}-a")
    wait_until(lambda: EventWait.objects.get(run_id=one).state == "received", limit_s=40, what="it is received")
    first.kill()  # behind the receipt, before its step has ended
    may_end.set()
    holder.join(20)
    assert not Step.objects.filter(run_id=one).exists()
    scheduler.pause()
    published = [publish_paid(f"{key}-{n}", event_id=f"{key}-{name}") for n, name in ((2, "b"), (2, "b"), (1, "c"))]
    scheduler.kill()  # behind the waking, before it dispatches
    worker_processes.start_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    runs = wait_for_end(one, two)

    assert [told.is_new for told in published] == [True, False, True]
    assert [run.state for run in runs] == ["succeeded", "succeeded"]
    outputs = [Step.objects.get(run_id=run_id, step="paid").output for run_id in (one, two)]
    assert [output["event"]["id"] for output in outputs] == [f"{key}-a", f"{key}-b"]
    assert list(ledger.effects_by_key().values()) == [1, 1]
    assert [trail(run_id).count("event.received") for run_id in (one, two)] == [1, 1]
