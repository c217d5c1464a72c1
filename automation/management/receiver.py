"""The receiver process: what came in is read, events start runs and are sent on; any number may run."""

import argparse
import os
import threading
import time
from collections.abc import Callable
from functools import partial

import structlog
from django.conf import settings
from rich.console import Console

from automation import pulse
from automation.intake.stores import is_amqp
from automation.management.subcommand import Subcommand, no_arguments
from automation.outbound.delivering import Sender
from automation.processes import Beats, stop_on_signals
from automation.receiving import draining, loop

_PATIENCE_S = 5.0
_SENDERS = 4
log = structlog.get_logger(__name__)


def _run(_options: argparse.Namespace, _console: Console) -> int:
    stopping = stop_on_signals()
    shown = pulse.begin(kind="receiver", directory=pulse.directory_of(settings.PULSE_DIR))
    parts: dict[str, Callable[..., None]] = {
        "requests": loop.read_requests,
        "triggers": loop.fire_triggers,
        "expected-events": loop.expect_events,
    }
    sender = Sender()
    parts |= {f"webhooks-{number}": partial(loop.send_webhooks, sender=sender) for number in range(_SENDERS)}
    if is_amqp(settings.BROKER_URL):
        parts["queue"] = partial(draining.run, url=settings.BROKER_URL)
    threads = [
        threading.Thread(target=part, kwargs=Beats(stopping, name).both, name=name, daemon=True)
        for name, part in parts.items()
    ]
    for thread in threads:
        thread.start()
    log.info("receiver_started", pid=os.getpid())
    stopping.wait()
    shown.end()
    until = time.monotonic() + max(_PATIENCE_S, settings.WEBHOOK_TIMEOUT_S)  # what is being sent has an answer by then
    for thread in threads:
        thread.join(timeout=max(0.0, until - time.monotonic()))
    shown.close()
    log.info("receiver_stopped", pid=os.getpid())
    return 0


SUBCOMMANDS = (
    Subcommand(
        name="receiver",
        help="read webhooks, have events start runs, send webhooks, until SIGTERM or SIGINT",
        add_arguments=no_arguments,
        run=_run,
    ),
)
