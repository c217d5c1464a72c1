"""Connects the spans of a run with what started it, over processes, days and recoveries; it decides nothing.

Without a configured OpenTelemetry SDK all of it is a few no-ops.
"""

import contextlib
from collections.abc import Iterator

from opentelemetry import context, propagate, trace

_tracer = trace.get_tracer("workflows")


def current_traceparent() -> str:
    """This will give the W3C context of the caller as text, empty when nobody traces."""
    if not trace.get_current_span().get_span_context().is_valid:
        return ""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent", "")


@contextlib.contextmanager
def span_of_start(workflow: str) -> Iterator[None]:
    """This will make the start of runs a span, so that what follows has something to belong to."""
    with _tracer.start_as_current_span("run.start", attributes={"workflow.name": workflow}):
        yield


@contextlib.contextmanager
def span_of_step(*, traceparent: str, workflow: str, step: str, run_id: str, attempt: int) -> Iterator[None]:
    """This will make an attempt a span of its run's trace."""
    if not traceparent:
        yield
        return
    token = context.attach(propagate.extract({"traceparent": traceparent}))
    attributes: dict[str, str | int] = {
        "workflow.name": workflow,
        "workflow.run_id": run_id,
        "workflow.attempt": attempt,
    }
    try:
        with _tracer.start_as_current_span(f"step {step}", attributes=attributes):
            yield
    finally:
        context.detach(token)
