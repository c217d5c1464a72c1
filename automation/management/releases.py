"""Shows which versions the starts of a workflow get, and changes that: a canary, its promotion, its end."""

import argparse

from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.management.subcommand import Subcommand, bad_input, operator
from workflows import operations, queries, releases
from workflows.core.canary import Figures, Rule
from workflows.errors import UnknownWorkflow


def add_rule(parser: argparse.ArgumentParser) -> None:
    """This will add when a canary is rolled back by itself."""
    failed = "roll it back by itself when so many of its runs have failed"
    parser.add_argument("--rollback-at", type=float, default=None, metavar="PERCENT", help=failed)
    parser.add_argument("--rollback-after", type=int, default=None, metavar="RUNS", help="but not before so many ended")


def read_canary(options: argparse.Namespace, *, percent: float) -> operations.Canary:
    """This will read a share and its rule from the options. Raises CommandError."""
    if (options.rollback_at is None) is not (options.rollback_after is None):
        raise bad_input("--rollback-at and --rollback-after belong together: give both, or none")
    rule = None if options.rollback_at is None else Rule(options.rollback_at, options.rollback_after)
    return operations.Canary(percent=percent, rule=rule)


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name of the workflow")


def _release(options: argparse.Namespace, console: Console) -> int:
    current = releases.find_current(queries.get_workflow(name=options.name))
    if current is None:
        raise UnknownWorkflow(options.name)
    console.print(releases.sentence(current), highlight=False)
    trial = releases.trial_of(current)
    if trial is None or current.canary is None:
        return 0
    table = Table("", f"v{current.version.number}, in use", f"v{current.canary.number}, canary")
    table.add_row("share", f"{100 - current.canary_percent:g} %", f"{current.canary_percent:g} %")
    for stable, canary in zip(_rows(trial.stable), _rows(trial.canary), strict=True):
        table.add_row(stable[0], stable[1], canary[1])
    console.print(table)
    since = f"since {trial.since:%Y-%m-%d %H:%M:%S}"
    console.print(f"{since}, of the latest {releases.RUNS_COUNTED} runs" if trial.is_cut else since, highlight=False)
    return 0


def _rows(figures: Figures) -> list[tuple[str, str]]:
    counts = [(name, str(getattr(figures, name))) for name in ("runs", "running", "succeeded", "failed", "cancelled")]
    lengths = (("median", figures.median_s), ("95 of 100", figures.p95_s))
    failed_percent = figures.failed_percent
    return [
        *counts,
        ("failed of those", "" if failed_percent is None else f"{failed_percent:.1f} %"),
        *((name, "" if seconds is None else f"{seconds:.2f} s") for name, seconds in lengths),
    ]


def _add_canary(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name of the workflow")
    parser.add_argument("percent", type=float, metavar="PERCENT", help="the share of starts: 0 to 100")
    parser.add_argument("--version", type=int, default=None, help="without: the one on trial, else the newest")
    add_rule(parser)


def _canary(options: argparse.Namespace, console: Console) -> int:
    canary = read_canary(options, percent=options.percent)
    current = operations.set_canary(
        workflow=options.name, canary=canary, version=options.version, actor=operator(), now=timezone.now()
    )
    console.print(releases.sentence(current), highlight=False)
    return 0


def _add_promote(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name of the workflow")
    parser.add_argument("--version", type=int, default=None, help="without: the one on trial")
    parser.add_argument("--reason", default="", help="is written into the audit trail")


def _promote(options: argparse.Namespace, console: Console) -> int:
    current = operations.promote(
        workflow=options.name, version=options.version, reason=options.reason, actor=operator(), now=timezone.now()
    )
    console.print(releases.sentence(current), highlight=False)
    return 0


def _add_rollback(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name of the workflow")
    parser.add_argument("--reason", default="", help="is written into the audit trail")


def _rollback(options: argparse.Namespace, console: Console) -> int:
    current = operations.roll_back(workflow=options.name, reason=options.reason, actor=operator(), now=timezone.now())
    console.print(releases.sentence(current), highlight=False)
    return 0


SUBCOMMANDS = (
    Subcommand(
        name="release",
        help="say which versions starts get, with the figures of a canary",
        add_arguments=_add_release,
        run=_release,
    ),
    Subcommand(name="canary", help="give a version a share of the starts", add_arguments=_add_canary, run=_canary),
    Subcommand(
        name="promote",
        help="have all starts get the canary, or another version",
        add_arguments=_add_promote,
        run=_promote,
    ),
    Subcommand(name="rollback", help="take the canary back", add_arguments=_add_rollback, run=_rollback),
)
