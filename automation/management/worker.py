"""Becomes a worker process with the right pool and options; it performs no step itself."""

import argparse
import os
import sys
from collections.abc import Sequence

from django.conf import settings
from rich.console import Console

from automation import worker_command
from automation.management.subcommand import Subcommand, bad_input


def _add_worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lanes", type=_names, default=None, help="lanes to read, such as critical,default,bulk")
    parser.add_argument("--processes", type=_count, default=None, help="child processes; default: one a processor")
    parser.add_argument("--io", action="store_true", help="carry many waiting steps on one event loop")
    parser.add_argument("--concurrency", type=_count, default=None, help="with --io: how many steps at once")
    parser.add_argument("--name", default=f"worker-{os.getpid()}@%h", help="the name of the worker at the broker")


def _run(options: argparse.Namespace, _console: Console) -> int:
    known = list(settings.LANES)
    lanes = options.lanes or ([worker_command.IO_LANE] if options.io else known)
    unknown = [lane for lane in lanes if lane not in known]
    if unknown:
        raise bad_input(f"worker: there is no lane {', '.join(unknown)}: known are {', '.join(known)}")
    if options.io and options.processes is not None:
        raise bad_input("worker: --processes is for workers without --io: use --concurrency")
    if options.concurrency is not None and not options.io:
        raise bad_input("worker: --concurrency needs --io: use --processes")
    environment = dict(os.environ)
    if options.concurrency is not None:
        environment["IO_CONCURRENCY"] = str(options.concurrency)
    if options.io:
        command = worker_command.io_worker(name=options.name, lanes=lanes)
    else:
        command = worker_command.worker(lanes=lanes, processes=options.processes, name=options.name)
    # The same process goes on as Celery's, so that signals and exit code are the worker's.
    os.execve(sys.executable, [sys.executable, *command], environment)  # noqa: S606  no shell is wanted


def _names(text: str) -> Sequence[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("name one lane or more, with commas between them")
    return names


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


SUBCOMMANDS = (
    Subcommand(
        name="worker",
        help="perform steps until SIGTERM: in processes, or with --io on one event loop",
        add_arguments=_add_worker,
        run=_run,
    ),
)
