"""Starts, lists, shows, explains and cancels runs."""

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
    later = parser.add_mutually_exclusive_group()
    later.add_argument("--delay-s", type=float, default=None, help="start in so many seconds")
    later.add_argument("--start-at", default=None, metavar="INSTANT", help="start then: ISO 8601 with its offset")
    parser.add_argument("--wait", action="store_true", help="wait for the end; exit code 1 unless it succeeds")
    parser.add_argument("--limit-s", type=float, default=None, help="wait at most so long")


def _start(options: argparse.Namespace, console: Console) -> int:
    actor, now = operator(), timezone.now()
    start = operations.Start(
        input=_read_input(options.input),
        key=None if options.key is None else f"{actor}:{options.key}",
        priority=options.priority,
        start_at=_start_at(options, now=now),
    )
    started = operations.start_run(workflow=options.name, start=start, actor=actor, now=now)
    console.print(str(started.run_id), highlight=False)
    return _wait(started.run_id, console=console, limit_s=options.limit_s) if options.wait else 0


def _start_at(options: argparse.Namespace, *, now: datetime) -> datetime | None:
    try:
        return operations.read_start_at(delay_s=options.delay_s, start_at=options.start_at, now=now)
    except ValueError as error:
        raise bad_input(str(error)) from error


def _read_input(text: str) -> JsonValue:
    try:
        if text.startswith("@"):
            raw = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text(encoding="utf-8")
        else:
            raw = text
        value: JsonValue = orjson.loads(raw)
    except OSError as error:
        raise bad_input(f"--input: {error}") from error
    except ValueError as error:
        raise bad_input(f"--input is not JSON: {error}") from error
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
    parser.add_argument("--limit", type=int, default=20)


def _runs(options: argparse.Namespace, console: Console) -> int:
    table = Table("run", "workflow", "state", "started", "seconds", "started by")
    for run in queries.newest_runs(state=options.state, workflow=options.workflow, limit=options.limit):
        table.add_row(
            str(run.id),
            f"{run.workflow_name} v{run.version.number}",
            _coloured(run.state),
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
        _coloured(run.state),
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


def _why(options: argparse.Namespace, console: Console) -> int:
    run = queries.get_run(run_id=options.run)
    waits = inspection.waits_of(run)
    if run.state != RunState.RUNNING:
        console.print(f"It has ended: {run.state}", "" if run.error is None else _json(run.error), markup=False)
    elif not waits:
        console.print("It waits for nothing: this is a defect, please report it.", style="red")
    for wait in waits:
        ahead = inspection.ahead_of(run, wait=wait) if wait.object_kind == "lane" else ""
        console.print(_sentence(wait, ahead=ahead), highlight=False, markup=False)
    return 0


def _sentence(wait: inspection.Wait, *, ahead: str) -> str:
    since, due = f"{wait.since:%H:%M:%S}", f"{wait.due_at:%H:%M:%S}"
    match wait.object_kind:
        case "lane":
            return f"{wait.step}: waits since {since} for a worker of the lane {wait.object_name}; {ahead}"
        case "worker":
            return f"{wait.step}: runs since {since} on {wait.object_name}, attempt {wait.attempt}, lease until {due}"
        case "attempt":
            return f"{wait.step}: waits for attempt {wait.object_name}, due at {due}"
        case "start":
            return f"{wait.step}: was told to start at {wait.due_at.isoformat(timespec='seconds')}"
        case _:
            return f"{wait.step}: waits for its items, {wait.object_name}, next at {due}"


def _add_cancel(parser: argparse.ArgumentParser) -> None:
    _add_run(parser)
    parser.add_argument("--reason", default="", help="is written into the audit trail")


def _cancel(options: argparse.Namespace, console: Console) -> int:
    run = operations.cancel_run(run_id=options.run, actor=operator(), now=timezone.now(), reason=options.reason)
    console.print(f"{run.id}", _coloured(run.state), highlight=False)
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
    Subcommand(name="why", help="say what a run is doing and why it waits", add_arguments=_add_run, run=_why),
    Subcommand(name="cancel", help="cancel a run", add_arguments=_add_cancel, run=_cancel),
)
