"""OpenTelemetry from the request to the outbound call: off unless an OTLP endpoint is configured; it decides nothing.

A run keeps the W3C context of what started it, so its steps stay in one trace over days and recoveries. Exporters
hold threads, so each worker process builds its own after it was forked.
"""

import os

from celery import signals
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

_UNTRACED = "/answer/"
"""Their paths are secrets: spans would carry them to the collector."""


def provide(*, service: str, exporter: SpanExporter | None = None) -> TracerProvider:
    """This will send this process's spans to the collector; sampling follows the standard OTEL_* variables."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def instrument_libraries() -> None:
    """This will make the libraries underneath report their work. Safe before a fork: it starts no thread."""
    CeleryInstrumentor().instrument(use_span_links=True)  # type: ignore[no-untyped-call]  # it has no types
    PsycopgInstrumentor().instrument(skip_dep_check=True)
    RedisInstrumentor().instrument()
    HTTPX2ClientInstrumentor().instrument()


def instrument_web() -> None:
    """This will trace the web process: requests and everything below them."""
    instrument_libraries()
    excluded = [os.environ.get("OTEL_PYTHON_DJANGO_EXCLUDED_URLS", ""), _UNTRACED]
    DjangoInstrumentor().instrument(excluded_urls=",".join(filter(None, excluded)))
    provide(service="automation-web")


def instrument_worker() -> None:
    """This will trace a worker: each of its processes gets a provider of its own, and flushes it at its end."""
    instrument_libraries()
    signals.worker_process_init.connect(_provide_in_child, weak=False)
    signals.worker_process_shutdown.connect(_flush, weak=False)


def instrument_io_worker() -> None:
    """This will trace an I/O worker beyond `instrument_worker`: it has no children, its spans are its own."""
    provide(service="automation-worker")
    signals.worker_shutdown.connect(_flush, weak=False)


def _provide_in_child(**_: object) -> None:
    provide(service="automation-worker")


def _flush(**_: object) -> None:
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush(timeout_millis=5000)
