"""A broken peer fails many runs at once, and real workers prove whether it was mended."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import UUID

import pytest
from django.utils import timezone

from integrations import operations as integrations
from integrations.connections import ConnectionSpec
from tests.flows.driving import TESTER, publish, start, wait_for_end
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows import incident_queries, operations
from workflows.core.selection import Selection
from workflows.models import DeadLetter, Incident, Run

pytestmark = pytest.mark.usefixtures("crew")
RUNS = 50
BROKEN, MENDED = 503, 200


class Peer(ThreadingHTTPServer):
    """An HTTP server on loopback that answers with whatever status it is told to, and remembers the keys it saw."""

    status = BROKEN

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        peer = self.server
        assert isinstance(peer, Peer)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b'{"ok": true}'
        if peer.status == MENDED:
            peer.keys.append(self.headers["Idempotency-Key"])
        self.send_response(peer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """This will write nothing."""


@pytest.fixture
def peer() -> Iterator[Peer]:
    """This will be a peer that is broken."""
    server = Peer()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=120)


@pytest.fixture
def failed(peer: Peer) -> tuple[str, list[UUID]]:
    """This will be fifty runs of one workflow that have failed at the peer, each with a number of its own."""
    name = f"peer-{peer.server_port}"
    spec = ConnectionSpec(name=name, base_url=f"http://127.0.0.1:{peer.server_port}", allow_private=True)
    integrations.save_connection(spec=spec, actor=TESTER, now=timezone.now(), correlation_id=name)
    inputs = {"method": "POST", "path": "/orders", "json": {"number": "${{ input.number }}"}}
    step = {"uses": "http.request", "connection": name, "with": inputs, "retry": {"attempts": 1}}
    workflow = publish({"book": step})
    ids = [start(workflow, value={"number": 1_000 + number}) for number in range(RUNS)]
    runs = wait_for_end(*ids)
    assert {run.state for run in runs} == {"failed"}
    return workflow, ids


def state_of(workflow: str) -> tuple[str, int]:
    """This will be the state of the workflow's one incident, and how often it has happened."""
    incident = Incident.objects.get(workflow_name=workflow)
    return incident.state, incident_queries.tallies([incident])[incident.fingerprint].total


def test_mended_peer_resolves_the_incident_when_the_requeued_work_has_succeeded(
    crew: Processes, peer: Peer, failed: tuple[str, list[UUID]]
) -> None:
    workflow, ids = failed
    assert state_of(workflow) == ("open", RUNS)
    peer.status = MENDED

    outcome = operations.requeue_matching(
        Selection(workflow=workflow, kind="unavailable"), actor=TESTER, now=timezone.now(), per_second=25.0
    )
    assert (outcome.matched, outcome.done) == (RUNS, RUNS)
    wait_until(lambda: len(peer.keys) > 0, what="the first has succeeded")
    early = (len(peer.keys), state_of(workflow)[0])
    runs = wait_for_end(*ids)
    wait_until(lambda: state_of(workflow)[0] == "resolved", what="the incident is resolved")

    assert early[0] < RUNS
    assert early[1] == "resolving"
    assert {run.state for run in runs} == {"succeeded"}
    assert len(peer.keys) == len(set(peer.keys)) == RUNS
    assert state_of(workflow) == ("resolved", RUNS)
    assert set(DeadLetter.objects.filter(workflow_name=workflow).values_list("trial", flat=True)) == {"succeeded"}


def test_peer_that_is_still_broken_opens_the_same_incident_again(
    crew: Processes, peer: Peer, failed: tuple[str, list[UUID]]
) -> None:
    workflow, ids = failed

    operations.requeue_matching(Selection(workflow=workflow), actor=TESTER, now=timezone.now(), per_second=200.0)
    wait_until(lambda: DeadLetter.objects.filter(workflow_name=workflow).count() == 2 * RUNS, what="failed again")
    wait_for_end(*ids)
    wait_until(lambda: state_of(workflow) == ("open", 2 * RUNS), what="the incident is open, and counted")

    assert Incident.objects.filter(workflow_name=workflow).count() == 1
    trials = DeadLetter.objects.filter(workflow_name=workflow).values_list("state", "trial")
    assert set(trials) == {("requeued", "failed"), ("open", "")}
    assert set(Run.objects.filter(id__in=ids).values_list("state", "round")) == {("failed", 1)}
