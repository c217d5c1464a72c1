"""The scheduler process: dispatches what is due and fires schedules until told to end; any number may run."""

import argparse
import os
import threading
from collections.abc import Callable, Mapping
from functools import partial

import structlog
from celery import current_app
from django.conf import settings
from rich.console import Console

from automation import pulse
from automation.alerting import evaluating
from automation.firing import loop, sending
from automation.management.subcommand import Subcommand, no_arguments
from automation.processes import Beats, stop_on_signals
from automation.sink import feeding
from integrations.notifications import delivery
from retention.operations import upkeep
from workflows.dispatch import dead_queue, relay, sweeps
from workflows.dispatch.doorbell import Doorbell
from workflows.dispatch.publisher import Publisher

_PATIENCE_S = 5.0
log = structlog.get_logger(__name__)


def _run(_options: argparse.Namespace, _console: Console) -> int:
    stopping = stop_on_signals()
    doorbell = Doorbell()
    shown = pulse.begin(kind="scheduler", directory=pulse.directory_of(settings.PULSE_DIR))
    watch_dead = partial(dead_queue.watch, current_app)
    threads = (
        _thread("sweeps", sweeps.run, Beats(stopping, "sweeps").waiting),
        _thread("dead-queue", watch_dead, Beats(stopping, "dead-queue").waiting),
        _thread("notifications", delivery.run, Beats(stopping, "notifications").waiting),
        _thread("schedules", loop.run, Beats(stopping, "schedules").both),
        _thread("periodic-tasks", sending.run, Beats(stopping, "periodic-tasks").both),
        _thread("alerts", evaluating.run, Beats(stopping, "alerts").waiting),
        _thread("search", feeding.run, Beats(stopping, "search").waiting),
        _thread("months", upkeep.watch, Beats(stopping, "months").waiting),
    )
    for thread in threads:
        thread.start()
    log.info("scheduler_started", pid=os.getpid())
    try:
        with Publisher(current_app) as publisher:
            relay.run(publisher=publisher, doorbell=doorbell, is_stopping=Beats(stopping, "dispatch").is_stopping)
    finally:
        stopping.set()
        shown.end()
        for thread in threads:
            thread.join(timeout=_PATIENCE_S)
        doorbell.close()
        shown.close()
    log.info("scheduler_stopped", pid=os.getpid())
    return 0


def _thread(name: str, target: Callable[..., object], kwargs: Mapping[str, Callable[..., object]]) -> threading.Thread:
    return threading.Thread(target=target, kwargs=kwargs, name=name, daemon=True)


SUBCOMMANDS = (
    Subcommand(
        name="scheduler",
        help="dispatch what is due until SIGTERM or SIGINT",
        add_arguments=no_arguments,
        run=_run,
    ),
)
