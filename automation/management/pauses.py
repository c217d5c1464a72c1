"""Pauses and resumes a run, a workflow, a connection, a lane or the platform, and lists what is paused."""

import argparse

from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automation.management.subcommand import Subcommand, no_arguments, operator
from workflows import operations, pause_store
from workflows.core.pausing import PauseScope


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scope", choices=[scope.value for scope in PauseScope])
    parser.add_argument("name", nargs="?", default="", help="which run, workflow, connection or lane")


def _add_pause(parser: argparse.ArgumentParser) -> None:
    _add_target(parser)
    parser.add_argument("--reason", required=True, help="is shown on everything that waits because of it")
    parser.add_argument("--starts-only", action="store_true", help="let runs that have begun go on")
    parser.add_argument("--hold-deadlines", action="store_true", help="move deadlines by as long as it lasts")


def _pause(options: argparse.Namespace, console: Console) -> int:
    wanted = operations.PauseWanted(
        scope=PauseScope(options.scope),
        name=options.name,
        reason=options.reason,
        starts_only=options.starts_only,
        holds_deadlines=options.hold_deadlines,
    )
    row, is_new = operations.pause(wanted, actor=operator(), now=timezone.now())
    told = "is paused" if is_new else f"was paused before, by {row.paused_by}: {row.reason}"
    console.print(f"{row} {told}", highlight=False, markup=False)
    return 0


def _add_resume(parser: argparse.ArgumentParser) -> None:
    _add_target(parser)
    parser.add_argument("--reason", default="", help="is written into the audit trail")


def _resume(options: argparse.Namespace, console: Console) -> int:
    number = operations.resume(
        scope=PauseScope(options.scope),
        name=options.name,
        reason=options.reason,
        actor=operator(),
        now=timezone.now(),
    )
    console.print(f"resumed; {number} waiting segments are due", highlight=False)
    return 0


def _pauses(_options: argparse.Namespace, console: Console) -> int:
    table = Table("paused", "reason", "by", "since", "covers", "deadlines")
    for rule in pause_store.in_force():
        table.add_row(
            escape(rule.key),
            escape(rule.reason),
            escape(rule.paused_by),
            f"{rule.paused_at:%Y-%m-%d %H:%M:%S}",
            "new runs" if rule.starts_only else "all",
            "are held" if rule.holds_deadlines else "go on",
        )
    console.print(table)
    return 0


SUBCOMMANDS = (
    Subcommand(name="pause", help="let no further step begin", add_arguments=_add_pause, run=_pause),
    Subcommand(name="resume", help="let what was paused go on", add_arguments=_add_resume, run=_resume),
    Subcommand(name="pauses", help="list what is paused", add_arguments=no_arguments, run=_pauses),
)
