"""An I/O worker: one process that carries hundreds of waiting steps of all kinds beside each other."""

import time
from collections.abc import Iterator

import pytest
from django.utils import timezone

from config.servers.guard import Guard
from tests.flows.driving import TESTER, begin, call, publish, start, states, trail, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.slow_requests import connection_to, request
from tests.support.slow_server import SlowServer
from tests.support.waiting import wait_until
from workflows import operations
from workflows.models import Attempt, Item

MANY = 500
PATIENT = {**HASTY, "LEASE_S": "6", "DISPATCH_AGAIN_S": "3", "IO_CONCURRENCY": "1000"}
pytestmark = pytest.mark.usefixtures("io_crew")


@pytest.fixture(scope="module")
def io_crew(database: None, guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """This will be an I/O worker and a scheduler that the tests share."""
    processes = Processes(directory=tmp_path_factory.mktemp("io"), guard=guard)
    processes.start_io_worker(env=PATIENT, wait=False)
    processes.start_scheduler(env=PATIENT)
    yield
    processes.end()


def test_one_process_holds_hundreds_of_requests_open_at_once() -> None:
    with SlowServer(delay_s=2.0, hold_until=MANY) as server:
        workflow = publish({"ask": request(connection_to(server), timeout="300s")})
        started_at = time.monotonic()
        run_ids = [start(workflow) for _ in range(MANY)]
        runs = wait_for_end(*run_ids)
        took_s = time.monotonic() - started_at

    assert {run.state for run in runs} == {"succeeded"}
    assert server.peak == MANY
    assert server.total == len(server.keys) == MANY
    assert not Attempt.objects.filter(run_id__in=run_ids).exists()
    assert took_s < 300, "one after the other, they would take 1,000 s"


def test_items_wait_together_as_many_as_the_definition_allows() -> None:
    with SlowServer(delay_s=0.2, hold_until=200) as server:
        each = request(connection_to(server), for_each=list(range(400)), parallel=200, timeout="300s")
        run_id = begin({"map": each, "end": call("noop", needs="map", queue="io")})
        (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert server.peak == 200
    assert len(server.keys) == server.total == 400
    assert set(Item.objects.filter(run_id=run_id).values_list("state", flat=True)) == {"succeeded"}


def test_cancelled_run_has_its_request_cut_off() -> None:
    with SlowServer(hold_until=MANY) as server:
        run_id = begin({"ask": request(connection_to(server), timeout="10m")})
        wait_until(lambda: server.open == 1, what="the request is open")

        operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), reason="enough")
        wait_until(lambda: server.given_up == 1, what="the request is given up")
        wait_until(lambda: "step.discarded" in trail(run_id), what="the cut is in the trail")

    assert server.total == 1


def test_functions_of_both_kinds_run_beside_waiting_requests(ledger: Ledger) -> None:
    args = {"ledger": str(ledger.path), "seconds": 0.3}
    late = {"timeout": "100ms", "retry": {"attempts": 1}, "queue": "io"}
    run_id = begin(
        {
            "waits": call("effect_async", args=args, queue="io"),
            "blocks": call("effect", args=args, queue="io"),
            "waits_long": call("effect_async", args={**args, "seconds": 60}, **late),
            "blocks_long": call("effect", args=args, **late),
        }
    )
    (run,) = wait_for_end(run_id)
    wait_until(lambda: len(ledger.entries("effect", step="blocks_long")) == 1, what="it could not be stopped")

    assert states(run_id) == {
        "waits": "succeeded",
        "blocks": "succeeded",
        "waits_long": "failed",
        "blocks_long": "failed",
    }
    assert set(Attempt.objects.filter(run_id=run_id).values_list("kind", flat=True)) == {"timeout"}
    assert ledger.entries("effect", step="waits_long") == []
    assert {entry.pid for entry in ledger.entries()} == {ledger.entries()[0].pid}
    assert run.state == "failed"
