"""The scheduler process: dispatches what is due and fires schedules until told to end; any number may run."""

import argparse
import os
import signal
import threading
from collections.abc import Callable, Mapping
from functools import partial
from types import FrameType

import structlog
from celery import current_app
from django.conf import settings
from rich.console import Console

from automation import pulse
from automation.alerting import evaluating
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
    shown = pulse.begin(kind="scheduler", directory=pulse.directory_of(settings.PULSE_DIR))
    watch_dead = partial(dead_queue.watch, current_app)
    threads = (
        _thread("dead-queue", watch_dead, _Beats(stopping, "dead-queue").waiting),
        _thread("notifications", delivery.run, _Beats(stopping, "notifications").waiting),
        _thread("schedules", loop.run, _Beats(stopping, "schedules").both),
        _thread("periodic-tasks", sending.run, _Beats(stopping, "periodic-tasks").both),
        _thread("alerts", evaluating.run, _Beats(stopping, "alerts").waiting),
        _thread("months", upkeep.watch, _Beats(stopping, "months").waiting),
    )
    for thread in threads:
        thread.start()
    log.info("scheduler_started", pid=os.getpid())
    try:
        with Publisher(current_app) as publisher:
            relay.run(publisher=publisher, doorbell=doorbell, is_stopping=_Beats(stopping, "dispatch").is_stopping)
    finally:
        stopping.set()
        shown.end()
        for thread in threads:
            thread.join(timeout=_PATIENCE_S)
        doorbell.close()
        shown.close()
    log.info("scheduler_stopped", pid=os.getpid())
    return 0


class _Beats:
    """What a part of the scheduler asks and waits with anyway; each time it shows that it goes on."""

    def __init__(self, stopping: threading.Event, part: str) -> None:
        self._stopping = stopping
        self._part = part

    def is_stopping(self) -> bool:
        pulse.beat(self._part)
        return self._stopping.is_set()

    def wait(self, timeout_s: float) -> bool:
        pulse.beat(self._part, rest_s=timeout_s)
        is_over = self._stopping.wait(timeout_s)
        pulse.beat(self._part)
        return is_over

    @property
    def waiting(self) -> Mapping[str, Callable[..., object]]:
        return {"wait": self.wait}

    @property
    def both(self) -> Mapping[str, Callable[..., object]]:
        return {"is_stopping": self.is_stopping, "wait": self.wait}


def _thread(name: str, target: Callable[..., object], kwargs: Mapping[str, Callable[..., object]]) -> threading.Thread:
    return threading.Thread(target=target, kwargs=kwargs, name=name, daemon=True)


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
