"""Traces of a real worker at a real collector: the steps of a run belong to the trace of what started it."""

from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.flows.driving import call, publish, start, wait_for_end
from tests.flows.ledger import Ledger
from tests.scenarios.conftest import HASTY
from tests.support.processes import Processes
from tests.support.waiting import wait_until

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def test_steps_of_a_run_are_spans_of_the_trace_that_started_it(
    worker_processes: Processes, ledger: Ledger, httpserver: HTTPServer, tmp_path: Path
) -> None:
    spans: list[tuple[str, str]] = []

    def collect(request: Request) -> Response:
        batch = ExportTraceServiceRequest.FromString(request.get_data())
        spans.extend(
            (span.name, span.trace_id.hex())
            for resource in batch.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        )
        return Response(status=200)

    httpserver.expect_request("/v1/traces", method="POST").respond_with_handler(collect)
    env = {**HASTY, "OTEL_EXPORTER_OTLP_ENDPOINT": httpserver.url_for(""), "OTEL_BSP_SCHEDULE_DELAY": "200"}
    worker_processes.start_worker(env=env)
    worker_processes.start_scheduler(env=HASTY)
    workflow = publish({"a": call("effect", args={"ledger": str(ledger.path)}), "b": call("noop", needs="a")})

    (run,) = wait_for_end(start(workflow, traceparent=TRACEPARENT))

    assert run.state == "succeeded"
    wait_until(
        lambda: {("step a", TRACE_ID), ("step b", TRACE_ID)} <= set(spans),
        limit_s=20,
        what="the spans of both steps at the collector",
    )
