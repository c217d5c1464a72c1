"""Switches tracing on where a collector is configured; where none is, the SDK is not even loaded."""

import importlib
import os
from typing import Literal

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def is_configured() -> bool:
    """This will tell whether the environment names a collector."""
    return any(os.environ.get(name) for name in _ENDPOINTS)


def start(process: Literal["web", "worker", "io_worker"]) -> None:
    """This will trace this kind of process, if a collector is configured."""
    if is_configured():
        telemetry = importlib.import_module("config.telemetry")  # loading the SDK costs each worker megabytes
        getattr(telemetry, f"instrument_{process}")()
