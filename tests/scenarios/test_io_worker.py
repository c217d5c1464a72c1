"""I/O workers: one process that carries hundreds of waiting steps, dies, is cancelled, is asked to end."""

import time
from collections.abc import Mapping
from uuid import uuid4

from django.utils import timezone

from audit.events import Actor, ActorKind
from integrations import operations as integrations
from integrations.connections import ConnectionSpec
from tests.flows.driving import TESTER, begin, call, publish, start, states, trail, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.slow_server import SlowServer
from tests.support.waiting import wait_until
from workflows import operations
from workflows.models import Activation, Attempt, Item

MANY = 500
PATIENT = {**HASTY, "LEASE_S": "6", "DISPATCH_AGAIN_S": "3", "IO_CONCURRENCY": "1000"}


def connection_to(server: SlowServer) -> str:
    """This will save a connection to the server, and give its name."""
    name = f"slow-{uuid4().hex[:12]}"
    spec = ConnectionSpec(name=name, base_url=f"http://127.0.0.1:{server.port}", allow_private=True)
    integrations.save_connection(
        spec=spec, actor=Actor(kind=ActorKind.SYSTEM, id="test"), now=timezone.now(), correlation_id="test"
    )
    return name


def request(connection: str, **more: object) -> Mapping[str, object]:
    """This will be a step on the lane `io` that sends a POST."""
    inputs = {"method": "POST", "path": "/work", "json": {}}
    return {"uses": "http.request", "connection": connection, "queue": "io", "with": inputs, **more}


def test_one_process_holds_hundreds_of_requests_open_at_once(worker_processes: Processes) -> None:
    worker_processes.start_io_worker(env=PATIENT, wait=False)
    worker_processes.start_scheduler(env=PATIENT)
    with SlowServer(delay_s=2.0, hold_until=MANY) as server:
        workflow = publish({"ask": request(connection_to(server), timeout="60s")})
        started_at = time.monotonic()
        run_ids = [start(workflow) for _ in range(MANY)]
        runs = wait_for_end(*run_ids, limit_s=90)
        took_s = time.monotonic() - started_at

    assert {run.state for run in runs} == {"succeeded"}
    assert server.peak == MANY
    assert server.total == len(server.keys) == MANY
    assert not Attempt.objects.filter(run_id__in=run_ids).exists()
    assert took_s < 60, "one after the other, they would take 1,000 s"


def test_killed_worker_loses_nothing_and_its_successor_sends_the_same_keys(worker_processes: Processes) -> None:
    count = 60
    first = worker_processes.start_io_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    with SlowServer(hold_until=10 * MANY) as server:
        workflow = publish({"ask": request(connection_to(server), timeout="60s")})
        run_ids = [start(workflow) for _ in range(count)]
        wait_until(lambda: server.open == count, limit_s=60, what="all requests are open")

        first.kill()
        worker_processes.start_io_worker(env=HASTY, wait=False)
        wait_until(lambda: server.total == 2 * count, limit_s=60, what="all requests came again")
        server.release()
        runs = wait_for_end(*run_ids, limit_s=60)

    assert {run.state for run in runs} == {"succeeded"}
    assert set(server.keys.values()) == {2}
    assert len(server.keys) == count
    lost = Attempt.objects.filter(run_id__in=run_ids)
    assert sorted(lost.values_list("run_id", flat=True)) == sorted(run_ids)
    assert set(lost.values_list("kind", flat=True)) == {"lost"}


def test_cancelled_run_has_its_request_cut_off(worker_processes: Processes) -> None:
    worker_processes.start_io_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    with SlowServer(hold_until=MANY) as server:
        run_id = begin({"ask": request(connection_to(server), timeout="10m")})
        wait_until(lambda: server.open == 1, what="the request is open")

        operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), reason="enough")
        wait_until(lambda: server.given_up == 1, limit_s=10, what="the request is given up")
        wait_until(lambda: "step.discarded" in trail(run_id), what="the cut is in the trail")

    assert server.total == 1


def test_worker_that_is_asked_to_end_lets_requests_end_and_gives_the_rest_back(worker_processes: Processes) -> None:
    first = worker_processes.start_io_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
    with SlowServer(hold_until=MANY) as server:
        connection = connection_to(server)
        run_id = begin({"ask": request(connection), "again": request(connection, needs="ask")})
        wait_until(lambda: server.open == 1, what="the request is open")

        first.terminate()
        first.wait_for_log("reactor_stopping")
        server.release()
        first.wait(limit_s=20)
        reached = states(run_id)
        worker_processes.start_io_worker(env=HASTY, wait=False)
        (run,) = wait_for_end(run_id)

    assert reached == {"ask": "succeeded"}
    assert run.state == "succeeded"
    assert set(server.keys.values()) == {1}
    assert not Attempt.objects.filter(run_id=run_id).exists()


def test_worker_that_is_asked_twice_gives_its_requests_back_at_once(worker_processes: Processes) -> None:
    patient = {**HASTY, "LEASE_S": "60"}
    first = worker_processes.start_io_worker(env=patient, wait=False)
    worker_processes.start_scheduler(env=patient)
    with SlowServer(hold_until=MANY) as server:
        run_id = begin({"ask": request(connection_to(server))})
        wait_until(lambda: server.open == 1, what="the request is open")

        first.terminate()
        first.wait_for_log("reactor_stopping")
        first.terminate()
        first.wait(limit_s=15)
        server.release()
        worker_processes.start_io_worker(env=patient, wait=False)
        (run,) = wait_for_end(run_id, limit_s=30)

    assert run.state == "succeeded"
    assert set(server.keys.values()) == {2}
    assert Attempt.objects.get(run_id=run_id).kind == "lost"


def test_items_wait_together_as_many_as_the_definition_allows(worker_processes: Processes) -> None:
    worker_processes.start_io_worker(env=PATIENT, wait=False)
    worker_processes.start_scheduler(env=PATIENT)
    with SlowServer(delay_s=0.2, hold_until=200) as server:
        each = request(connection_to(server), for_each=list(range(400)), parallel=200, timeout="60s")
        run_id = begin({"map": each, "end": call("noop", needs="map", queue="io")})
        (run,) = wait_for_end(run_id, limit_s=90)

    assert run.state == "succeeded"
    assert server.peak == 200
    assert len(server.keys) == server.total == 400
    assert set(Item.objects.filter(run_id=run_id).values_list("state", flat=True)) == {"succeeded"}


def test_full_worker_claims_no_more_than_it_carries(worker_processes: Processes) -> None:
    env = {**HASTY, "IO_CONCURRENCY": "5"}
    worker_processes.start_io_worker(env=env, wait=False)
    worker_processes.start_scheduler(env=env)
    with SlowServer(hold_until=MANY) as server:
        workflow = publish({"ask": request(connection_to(server), timeout="60s")})
        run_ids = [start(workflow) for _ in range(20)]
        wait_until(lambda: server.open == 5, what="the worker is full")
        leased = Activation.objects.filter(run_id__in=run_ids, owner__gt="").count()
        server.release()
        runs = wait_for_end(*run_ids)

    assert leased == server.peak == 5
    assert {run.state for run in runs} == {"succeeded"}
    assert set(server.keys.values()) == {1}


def test_functions_of_both_kinds_run_beside_waiting_requests(worker_processes: Processes, ledger: Ledger) -> None:
    worker_processes.start_io_worker(env=HASTY, wait=False)
    worker_processes.start_scheduler(env=HASTY)
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


def test_step_that_blocks_the_loop_is_ended_with_its_process(worker_processes: Processes, ledger: Ledger) -> None:
    env = {**HASTY, "IO_STALL_S": "1"}
    worker_processes.start_io_worker(env=env, wait=False)
    worker_processes.start_scheduler(env=env)
    run_id = begin({"deaf": call("block_loop", args={"ledger": str(ledger.path)}, queue="io")})
    wait_until(lambda: len(ledger.entries("begin")) == 1, what="it blocks the loop")

    worker_processes.start_io_worker(env=env, wait=False)
    (run,) = wait_for_end(run_id, limit_s=60)

    assert run.state == "succeeded"
    assert [entry.attempt for entry in ledger.entries("begin")] == [1, 2]
    assert Attempt.objects.get(run_id=run_id).kind == "lost"
