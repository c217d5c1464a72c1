"""Traces of real processes at a real collector: all that a run does belongs to the trace of what started it."""

import http.client
import json
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from config.servers.ports import free_port
from tests.flows.driving import AT_ONCE, call, publish, start, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support import api
from tests.support.calling import shop_at
from tests.support.processes import Processes
from tests.support.waiting import wait_until

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
pytestmark = pytest.mark.usefixtures("dispatcher")


class Collector:
    """Takes spans as a collector does, and keeps the names of each trace."""

    def __init__(self, server: HTTPServer) -> None:
        self._spans: list[tuple[str, str]] = []
        self.env = {**HASTY, "OTEL_EXPORTER_OTLP_ENDPOINT": server.url_for(""), "OTEL_BSP_SCHEDULE_DELAY": "200"}
        server.expect_request("/v1/traces", method="POST").respond_with_handler(self._collect)

    def names(self, trace_id: str) -> set[str]:
        """This will give the names of the spans of a trace."""
        return {name for name, trace in tuple(self._spans) if trace == trace_id}

    def _collect(self, request: Request) -> Response:
        batch = ExportTraceServiceRequest.FromString(request.get_data())
        self._spans.extend(
            (span.name, span.trace_id.hex())
            for resource in batch.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        )
        return Response(status=200)


@pytest.fixture
def collector(httpserver: HTTPServer) -> Collector:
    """This will be a collector that processes with its `env` report to."""
    return Collector(httpserver)


def test_steps_of_a_run_are_spans_of_the_trace_that_started_it(
    worker_processes: Processes, ledger: Ledger, collector: Collector
) -> None:
    worker_processes.start_worker(env=collector.env)
    workflow = publish({"a": call("effect", args={"ledger": str(ledger.path)}), "b": call("noop", needs="a")})

    (run,) = wait_for_end(start(workflow, traceparent=TRACEPARENT))

    assert run.state == "succeeded"
    _wait_for_spans(collector, {"step a", "step b"})


def test_trace_leads_from_the_request_past_a_killed_worker_to_the_outbound_call(
    worker_processes: Processes, ledger: Ledger, collector: Collector, httpserver: HTTPServer, tmp_path: Path
) -> None:
    contexts: list[str] = []

    def answer(request: Request) -> Response:
        contexts.append(request.headers.get("traceparent", ""))
        return Response(status=204)

    httpserver.expect_request("/peer").respond_with_handler(answer)
    port, gate = free_port(), tmp_path / "gate"
    web = worker_processes.start_web(port=port, env=collector.env)
    first = worker_processes.start_worker(env=collector.env, wait=False)
    peer = shop_at(httpserver.url_for(""))
    workflow = publish(
        {
            "a": call("effect", args={"ledger": str(ledger.path), "gate": str(gate)}, retry=AT_ONCE),
            "b": {"needs": "a", "uses": "http.request", "connection": peer, "with": {"path": "/peer"}},
        }
    )

    run_id = _start_over_the_api(port, workflow=workflow)
    wait_until(lambda: bool(ledger.entries("begin")), what="the first step under way")
    first.kill()
    gate.touch()
    worker_processes.start_worker(env=collector.env, wait=False)
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert len(ledger.entries("begin")) == 2
    assert [context.split("-")[1] for context in contexts] == [TRACE_ID]
    _wait_for_spans(collector, {"POST api/v1/runs", "step a", "step b", "GET"})
    assert web.is_running


def _start_over_the_api(port: int, *, workflow: str) -> UUID:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {
        "Authorization": f"Bearer {api.token('runs:write')}",
        "Content-Type": "application/json",
        "Idempotency-Key": '"traced-1"',
        "traceparent": TRACEPARENT,
    }
    with closing(connection):
        connection.request("POST", "/api/v1/runs", body=json.dumps({"workflow": workflow}), headers=headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
    assert answer.status == 201, body
    return UUID(body["id"])


def _wait_for_spans(collector: Collector, wanted: set[str]) -> None:
    wait_until(
        lambda: wanted <= collector.names(TRACE_ID),
        limit_s=300,
        what=f"{sorted(wanted)} in the trace",
    )
