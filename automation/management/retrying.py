"""Retries runs that have ended: one by its id, or all that a filter means."""

import argparse
from uuid import UUID

from django.utils import timezone
from rich.console import Console

from automation.management import selecting
from automation.management.runs import read_input
from automation.management.subcommand import Subcommand, bad_input, operator
from workflows import operations
from workflows.core.retry_plan import RetryFrom
from workflows.core.run_selection import NAMES, parse
from workflows.core.selection import SelectionInvalid
from workflows.operations import EditedInput, Retried, RetryWanted


def _add_retry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", type=UUID, metavar="RUN")
    selecting.add_filter(parser, instead_of="RUN", all_of="ended", names=NAMES)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--step", default="", help="begin at this step; without: at what failed")
    where.add_argument("--whole", action="store_true", help="begin at the start")
    parser.add_argument("--newest", action="store_true", help="on the newest version; without: on the one it had")
    parser.add_argument("--input", default=None, metavar="JSON|@FILE", help="with RUN: another input")
    parser.add_argument("--reason", default="", help="is written into the audit trail")
    parser.add_argument("--per-second", type=float, default=None, help="with --filter: how many go on each second")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and change nothing")


def _retry(options: argparse.Namespace, console: Console) -> int:
    if bool(options.filter) is (options.run is not None):
        raise bad_input("name a RUN, or select some with --filter NAME=VALUE")
    if options.filter and options.input is not None:
        raise bad_input("--input goes with one RUN, not with --filter")
    if options.per_second is not None and not options.per_second > 0:
        raise bad_input("--per-second must be more than 0")
    wanted = _wanted(options)
    if options.filter:
        return _retry_many(options, wanted=wanted, console=console)
    if options.dry_run:
        return _tell(operations.preview_retry(run_id=options.run, wanted=wanted), console=console)
    done = operations.retry_run(run_id=options.run, wanted=wanted, actor=operator(), now=timezone.now())
    return _tell(done, console=console)


def _wanted(options: argparse.Namespace) -> RetryWanted:
    start = RetryFrom.START if options.whole else RetryFrom.STEP if options.step else RetryFrom.FAILED
    return RetryWanted(
        start=start,
        step=options.step,
        on_newest=options.newest,
        edited=None if options.input is None else EditedInput(read_input(options.input)),
        reason=options.reason,
    )


def _retry_many(options: argparse.Namespace, *, wanted: RetryWanted, console: Console) -> int:
    selecting.check_limit(options.limit)
    try:
        selection = parse(selecting.pairs_of(options.filter))
    except SelectionInvalid as error:
        raise bad_input(f"--filter {error}") from error
    outcome = operations.retry_matching(
        selection,
        wanted=wanted,
        actor=operator(),
        now=timezone.now(),
        per_second=options.per_second,
        limit=options.limit,
        dry_run=options.dry_run,
    )
    return selecting.tell(outcome, console=console, done="retried")


def _tell(done: Retried, *, console: Console) -> int:
    where = "in its own run" if not done.is_new_run else f"in {'a new run' if done.run_id is None else done.run_id}"
    console.print(f"{where}, version {done.version}", highlight=False)
    if done.plan.reused:
        console.print(f"taken over: {', '.join(done.plan.reused)}", highlight=False, markup=False)
    executed = (f"{step} ({why})" for step, why in done.plan.executed.items())
    console.print(f"executed: {', '.join(executed)}", highlight=False, markup=False)
    if done.plan.dropped:
        console.print(f"not in that version: {', '.join(done.plan.dropped)}", highlight=False, markup=False)
    for problem in done.plan.hindrances:
        console.print(f"hindered: {problem}", highlight=False, markup=False)
    return 1 if done.plan.hindrances else 0


SUBCOMMANDS = (Subcommand(name="retry", help="retry a run, or all of a filter", add_arguments=_add_retry, run=_retry),)
