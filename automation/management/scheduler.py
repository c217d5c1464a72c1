"""The scheduler process: dispatches what is due and fires schedules until told to end; any number may run."""

import argparse
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

import structlog
from celery import current_app
from rich.console import Console

from automation.firing import loop, sending
from automation.management.subcommand import Subcommand, no_arguments
from integrations.notifications import delivery
from retention.operations import upkeep
from workflows.dispatch import dead_queue, relay
from workflows.dispatch.doorbell import Doorbell
from workflows.dispatch.publisher import Publisher

_PATIENCE_S = 5.0
log = structlog.get_logger(__name__)


def _run(_options: argparse.Namespace, _console: Console) -> int:
    stopping = _stop_on_signals()
    doorbell = Doorbell()
    watch = threading.Thread(
        target=dead_queue.watch, args=(current_app,), kwargs={"wait": stopping.wait}, name="dead-queue", daemon=True
    )
    threads = (
        watch,
        threading.Thread(target=delivery.run, kwargs={"wait": stopping.wait}, name="notifications", daemon=True),
        threading.Thread(target=loop.run, kwargs=_until(stopping), name="schedules", daemon=True),
        threading.Thread(target=sending.run, kwargs=_until(stopping), name="periodic-tasks", daemon=True),
        threading.Thread(target=upkeep.watch, kwargs={"wait": stopping.wait}, name="months", daemon=True),
    )
    for thread in threads:
        thread.start()
    log.info("scheduler_started", pid=os.getpid())
    try:
        with Publisher(current_app) as publisher:
            relay.run(publisher=publisher, doorbell=doorbell, is_stopping=stopping.is_set)
    finally:
        stopping.set()
        for thread in threads:
            thread.join(timeout=_PATIENCE_S)
        doorbell.close()
    log.info("scheduler_stopped", pid=os.getpid())
    return 0


def _until(stopping: threading.Event) -> dict[str, Callable[..., object]]:
    return {"is_stopping": stopping.is_set, "wait": stopping.wait}


def _stop_on_signals() -> threading.Event:
    """The first signal lets the round under way end, the second ends the process."""
    stopping = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping


SUBCOMMANDS = (
    Subcommand(
        name="scheduler",
        help="dispatch what is due until SIGTERM or SIGINT",
        add_arguments=no_arguments,
        run=_run,
    ),
)
