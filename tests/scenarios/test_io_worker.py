"""I/O workers: one process that carries hundreds of waiting steps, dies, is cancelled, is asked to end."""

import time
from collections.abc import Mapping
from uuid import uuid4

from django.utils import timezone

from audit.events import Actor, ActorKind
from integrations import operations as integrations
from integrations.connections import ConnectionSpec
from tests.flows.driving import publish, start, wait_for_end
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.slow_server import SlowServer
from workflows.models import Attempt

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
