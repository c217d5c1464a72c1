"""Moves runs that wait to another version of their workflow."""

import argparse
from uuid import UUID

from django.utils import timezone
from rich.console import Console

from automation.management import selecting
from automation.management.subcommand import Subcommand, bad_input, operator
from workflows import operations
from workflows.operations.bulk_repairs import AT_ONCE


def _add_move(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", type=UUID, metavar="RUN")
    parser.add_argument("--workflow", default=None, help="instead of RUN, all running ones of this workflow")
    parser.add_argument("--from-version", type=int, default=None, help="with --workflow: only those of this version")
    parser.add_argument("--to", type=int, default=None, metavar="VERSION", help="without: the one in use")
    parser.add_argument("--reason", default="", help="is written into the audit trail")
    parser.add_argument("--limit", type=int, default=AT_ONCE, help="with --workflow: how many at most, oldest first")
    parser.add_argument("--dry-run", action="store_true", help="say what is in the way and change nothing")


def _move(options: argparse.Namespace, console: Console) -> int:
    if (options.run is None) is (options.workflow is None):
        raise bad_input("name a RUN, or all running ones with --workflow")
    actor, now = operator(), timezone.now()
    if options.workflow is not None:
        selecting.check_limit(options.limit)
        outcome = operations.move_matching(
            workflow=options.workflow,
            version=options.to,
            from_version=options.from_version,
            actor=actor,
            now=now,
            reason=options.reason,
            limit=options.limit,
            dry_run=options.dry_run,
        )
        return selecting.tell(outcome, console=console, done="moved")
    moved = operations.move_run(
        run_id=options.run, version=options.to, actor=actor, now=now, reason=options.reason, dry_run=options.dry_run
    )
    for problem in moved.hindrances:
        console.print(f"hindered: {problem}", highlight=False, markup=False)
    verb = "cannot go" if moved.hindrances else "could go" if options.dry_run else "goes"
    console.print(f"run {moved.run_id} {verb} on from version {moved.before} with {moved.after}", highlight=False)
    return 1 if moved.hindrances else 0


SUBCOMMANDS = (
    Subcommand(name="move", help="have runs that wait go on with another version", add_arguments=_add_move, run=_move),
)
