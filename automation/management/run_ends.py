"""Ends runs, and takes back what they did: cancel and undo; both say what is done and what is still owed."""

import argparse
from uuid import UUID

from django.utils import timezone
from rich.console import Console

from automation.management.subcommand import Subcommand, bad_input, operator
from workflows import closing_report, operations, queries
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.states import RunState


def _add_cancel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=UUID, metavar="RUN")
    parser.add_argument("--reason", default="", help="is written into the audit trail")
    parser.add_argument("--grace", default=None, help="how long running steps may go on, such as 30s")
    parser.add_argument(
        "--undo", action=argparse.BooleanOptionalAction, default=None, help="whether what was done is undone"
    )
    parser.add_argument("--force", action="store_true", help="end it at once: no grace, no undo, no finally")


def _cancel(options: argparse.Namespace, console: Console) -> int:
    run = operations.cancel_run(
        run_id=options.run,
        actor=operator(),
        now=timezone.now(),
        reason=options.reason,
        grace_s=None if options.grace is None else _seconds_of("--grace", options.grace),
        is_undoing=options.undo,
        is_forced=options.force,
    )
    return _tell_end(run.id, console=console)


def _add_undo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=UUID, metavar="RUN")
    parser.add_argument("--reason", required=True, help="is written into the audit trail")


def _undo(options: argparse.Namespace, console: Console) -> int:
    run = operations.undo_run(run_id=options.run, actor=operator(), now=timezone.now(), reason=options.reason)
    return _tell_end(run.id, console=console)


def _tell_end(run_id: UUID, *, console: Console) -> int:
    """What it is, and what it does before it ends."""
    run = queries.get_run(run_id=run_id)
    console.print(f"{run.id}", run.state, highlight=False)
    report = closing_report.report_of(run)
    if report is None:
        return 0
    if run.state == RunState.RUNNING:
        console.print(f"ends as {report.ending}", highlight=False)
    for told, steps in (
        ("done", report.done),
        ("under way", report.going),
        ("undone", report.undone),
        ("to undo", report.to_undo),
        ("at the end", report.at_end),
    ):
        if steps:
            console.print(f"{told}: {', '.join(steps)}", highlight=False, markup=False)
    return 0


def _seconds_of(option: str, text: str) -> float:
    try:
        return parse_duration(text)
    except DurationInvalid as error:
        raise bad_input(f"{option}: {error}") from error


SUBCOMMANDS = (
    Subcommand(name="cancel", help="cancel a run", add_arguments=_add_cancel, run=_cancel),
    Subcommand(name="undo", help="undo what an ended run did", add_arguments=_add_undo, run=_undo),
)
