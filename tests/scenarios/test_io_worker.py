"""I/O workers that die, are full, are asked to end, and are ended because a step stands in their way."""

import pytest

from tests.flows.driving import begin, call, publish, start, states, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY, STEADY
from tests.support.processes import Processes
from tests.support.slow_requests import connection_to, request
from tests.support.slow_server import SlowServer
from tests.support.waiting import wait_until
from workflows.models import Activation, Attempt

MANY = 500
pytestmark = pytest.mark.usefixtures("dispatcher")


def test_killed_worker_loses_nothing_and_its_successor_sends_the_same_keys(worker_processes: Processes) -> None:
    count = 60
    first = worker_processes.start_io_worker(env=STEADY, wait=False)
    with SlowServer(hold_until=10 * MANY) as server:
        workflow = publish({"ask": request(connection_to(server), timeout="300s")})
        run_ids = [start(workflow) for _ in range(count)]
        wait_until(lambda: server.open == count, what="all requests are open")

        first.kill()
        worker_processes.start_io_worker(env=STEADY, wait=False)
        wait_until(lambda: server.total == 2 * count, what="all requests came again")
        server.release()
        runs = wait_for_end(*run_ids)

    assert {run.state for run in runs} == {"succeeded"}
    assert set(server.keys.values()) == {2}
    assert len(server.keys) == count
    lost = Attempt.objects.filter(run_id__in=run_ids)
    assert sorted(lost.values_list("run_id", flat=True)) == sorted(run_ids)
    assert set(lost.values_list("kind", flat=True)) == {"lost"}


def test_worker_that_is_asked_to_end_lets_requests_end_and_gives_the_rest_back(worker_processes: Processes) -> None:
    first = worker_processes.start_io_worker(env=STEADY, wait=False)
    with SlowServer(hold_until=MANY) as server:
        connection = connection_to(server)
        run_id = begin({"ask": request(connection), "again": request(connection, needs="ask")})
        wait_until(lambda: server.open == 1, what="the request is open")

        first.terminate()
        first.wait_for_log("reactor_stopping")
        server.release()
        first.wait()
        reached = states(run_id)
        worker_processes.start_io_worker(env=HASTY, wait=False)
        (run,) = wait_for_end(run_id)

    assert reached == {"ask": "succeeded"}
    assert run.state == "succeeded"
    assert set(server.keys.values()) == {1}
    assert not Attempt.objects.filter(run_id=run_id).exists()


def test_worker_that_is_asked_twice_gives_its_requests_back_at_once(worker_processes: Processes) -> None:
    patient = {**HASTY, "LEASE_S": "600"}
    first = worker_processes.start_io_worker(env=patient, wait=False)
    with SlowServer(hold_until=MANY) as server:
        run_id = begin({"ask": request(connection_to(server))})
        wait_until(lambda: server.open == 1, what="the request is open")

        first.terminate()
        first.wait_for_log("reactor_stopping")
        first.terminate()
        first.wait()
        server.release()
        worker_processes.start_io_worker(env=patient, wait=False)
        (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert set(server.keys.values()) == {2}
    assert Attempt.objects.get(run_id=run_id).kind == "lost"


def test_full_worker_claims_no_more_than_it_carries(worker_processes: Processes) -> None:
    env = {**STEADY, "IO_CONCURRENCY": "5"}
    worker_processes.start_io_worker(env=env, wait=False)
    with SlowServer(hold_until=MANY) as server:
        workflow = publish({"ask": request(connection_to(server), timeout="300s")})
        run_ids = [start(workflow) for _ in range(20)]
        wait_until(lambda: server.open == 5, what="the worker is full")
        leased = Activation.objects.filter(run_id__in=run_ids, owner__gt="").count()
        server.release()
        runs = wait_for_end(*run_ids)

    assert leased == server.peak == 5
    assert {run.state for run in runs} == {"succeeded"}
    assert set(server.keys.values()) == {1}


def test_step_that_blocks_the_loop_is_ended_with_its_process(worker_processes: Processes, ledger: Ledger) -> None:
    env = {**HASTY, "IO_STALL_S": "1"}
    worker_processes.start_io_worker(env=env, wait=False)
    run_id = begin({"deaf": call("block_loop", args={"ledger": str(ledger.path)}, queue="io")})
    wait_until(lambda: len(ledger.entries("begin")) == 1, what="it blocks the loop")

    worker_processes.start_io_worker(env=env, wait=False)
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert [entry.attempt for entry in ledger.entries("begin")] == [1, 2]
    assert Attempt.objects.get(run_id=run_id).kind == "lost"
