"""Starts, lists and shows runs."""

import argparse
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from uuid import UUID

import orjson
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.management.subcommand import Subcommand, bad_input, operator
from workflows import inspection, operations, queries
from workflows.core.definition import JsonValue
from workflows.core.states import RunState

_POLL_S = 0.05
_COLOURS: Mapping[str, str] = {
    "succeeded": "green",
    "failed": "red",
    "upstream_failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "retrying": "yellow",
}


def _add_start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name of the workflow")
    parser.add_argument("--input", default="null", metavar="JSON|@FILE", help="the input; @- reads it from stdin")
    parser.add_argument("--key", default=None, help="idempotency key: the same again starts nothing new")
    parser.add_argument("--priority", type=int, default=0, help="higher starts first")
    parser.add_argument("--version", type=int, default=None, help="this version, whatever is in use")
    later = parser.add_mutually_exclusive_group()
    later.add_argument("--delay-s", type=float, default=None, help="start in so many seconds")
    later.add_argument("--start-at", default=None, metavar="INSTANT", help="start then: ISO 8601 with its offset")
    parser.add_argument("--dry-run", action="store_true", help="with no effect outside: steps are answered with pins")
    parser.add_argument("--pins", default=None, metavar="JSON|@FILE", help="what the steps of a dry run are given")
    parser.add_argument("--pins-from", type=UUID, default=None, metavar="RUN", help="whose outputs fill the gaps")
    parser.add_argument("--wait", action="store_true", help="wait for the end; exit code 1 unless it succeeds")
    parser.add_argument("--limit-s", type=float, default=None, help="wait at most so long")


def _start(options: argparse.Namespace, console: Console) -> int:
    actor, now = operator(), timezone.now()
    start = operations.Start(
        input=read_input(options.input),
        key=None if options.key is None else f"{actor}:{options.key}",
        priority=options.priority,
        version=options.version,
        start_at=_start_at(options, now=now),
        dry=_dry(options),
    )
    started = operations.start_run(workflow=options.name, start=start, actor=actor, now=now)
    console.print(str(started.run_id), highlight=False)
    return _wait(started.run_id, console=console, limit_s=options.limit_s) if options.wait else 0


def _dry(options: argparse.Namespace) -> operations.Dry | None:
    if not options.dry_run:
        if options.pins is not None or options.pins_from is not None:
            raise bad_input("--pins and --pins-from: only a dry run has pins: add --dry-run")
        return None
    pins = {} if options.pins is None else read_input(options.pins, option="--pins")
    return operations.Dry(pins=pins, of=options.pins_from)  # type: ignore[arg-type]  # its shape is checked there


def _start_at(options: argparse.Namespace, *, now: datetime) -> datetime | None:
    try:
        return operations.read_start_at(delay_s=options.delay_s, start_at=options.start_at, now=now)
    except ValueError as error:
        raise bad_input(str(error)) from error


def read_input(text: str, *, option: str = "--input") -> JsonValue:
    """This will read JSON from an option: its text, or a file after `@`. Raises CommandError."""
    try:
        if text.startswith("@"):
            raw = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text(encoding="utf-8")
        else:
            raw = text
        value: JsonValue = orjson.loads(raw)
    except OSError as error:
        raise bad_input(f"{option}: {error}") from error
    except ValueError as error:
        raise bad_input(f"{option} is not JSON: {error}") from error
    return value


def _wait(run_id: UUID, *, console: Console, limit_s: float | None) -> int:
    deadline = None if limit_s is None else time.monotonic() + limit_s
    while (run := queries.get_run(run_id=run_id)).state == RunState.RUNNING:
        if deadline is not None and time.monotonic() >= deadline:
            console.print(f"still running after {limit_s} s", highlight=False)
            return 1
        time.sleep(_POLL_S)
    console.print(_coloured(run.state), _json(run.output if run.error is None else run.error), highlight=False)
    return 0 if run.state == RunState.SUCCEEDED else 1


def _add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", choices=[state.value for state in RunState], default=None)
    parser.add_argument("--workflow", default=None)
    parser.add_argument("--mode", choices=["live", "dry_run"], default=None)
    parser.add_argument("--limit", type=int, default=20)


def _runs(options: argparse.Namespace, console: Console) -> int:
    table = Table("run", "workflow", "state", "started", "seconds", "started by")
    is_dry = None if options.mode is None else options.mode == operations.DRY_RUN
    found = queries.newest_runs(state=options.state, workflow=options.workflow, limit=options.limit, is_dry=is_dry)
    for run in found:
        table.add_row(
            str(run.id),
            f"{run.workflow_name} v{run.version.number}",
            f"{_coloured(run.state)} (dry run)" if run.is_dry else _coloured(run.state),
            f"{run.created_at:%Y-%m-%d %H:%M:%S}",
            _seconds(run.created_at, run.ended_at),
            run.started_by,
        )
    console.print(table)
    return 0


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=UUID, metavar="RUN")


def _show(options: argparse.Namespace, console: Console) -> int:
    run = queries.get_run(run_id=options.run)
    console.print(
        f"{run.workflow_name} v{run.version.number}",
        f"{_coloured(run.state)} (dry run)" if run.is_dry else _coloured(run.state),
        f"in {_seconds(run.created_at, run.ended_at)} s",
        highlight=False,
    )
    for name, value in (("input", run.input), ("output", run.output), ("error", run.error)):
        if value is not None:
            console.print(f"{name}:", _json(value), highlight=False, markup=False)
    table = Table("step", "state", "attempts", "started", "ended", "items", "error")
    for report in inspection.steps_of(run):
        table.add_row(
            report.step,
            _coloured(report.state),
            str(report.attempts),
            "" if report.started_at is None else f"{report.started_at:%H:%M:%S.%f}"[:-3],
            "" if report.ended_at is None else f"{report.ended_at:%H:%M:%S.%f}"[:-3],
            ", ".join(f"{count} {state}" for state, count in report.items.items()),
            "" if report.error is None else _json(report.error),
        )
    console.print(table)
    return 0


def _coloured(state: str) -> str:
    colour = _COLOURS.get(state)
    return f"[{colour}]{state}[/{colour}]" if colour else state


def _seconds(created_at: datetime, ended_at: datetime | None) -> str:
    return f"{((ended_at or timezone.now()) - created_at).total_seconds():.2f}"


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


SUBCOMMANDS = (
    Subcommand(name="start", help="start a run", add_arguments=_add_start, run=_start),
    Subcommand(name="runs", help="list runs, the newest first", add_arguments=_add_runs, run=_runs),
    Subcommand(name="show", help="show a run and its steps", add_arguments=_add_run, run=_show),
)
