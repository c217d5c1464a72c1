"""Reconciliation on the operator's command line: publish, compare, look, answer; it decides nothing."""

import argparse
from pathlib import Path

from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.management.subcommand import Subcommand, bad_input, operator
from reconciliation import comparing, operations, queries, reports
from reconciliation.core.lifecycle import ANSWERS, VarianceState
from reconciliation.errors import JobInvalid

_LISTED = 50
_STANDING = 1
"""The exit code of `reconcile` when variances stand open."""


def _add_reconcile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what differs and what rules would do; change nothing"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the variances there")
    parser.add_argument("--agree", action="store_true", help="agree to repairs that rules ask about altogether")


def _reconcile(options: argparse.Namespace, console: Console) -> int:
    """Compares in this process; what rules repair is left to workers. 1: variances stand open."""
    now = timezone.now()
    row = comparing.carry_out(name=options.job, is_dry_run=options.dry_run, actor=operator(), now=now)
    started = 0
    if not row.is_dry_run:
        started = operations.start_repairs(
            comparison_id=row.pk, agreed=options.agree, actor=operator(), now=timezone.now()
        )
    for line in (*reports.summary(row), *([f"{started} repairs started"] if started else [])):
        console.print(line, highlight=False)
    if options.html is not None:
        options.html.write_text(reports.html(row), encoding="utf-8")
    if options.csv is not None:
        options.csv.write_text("".join(reports.csv_lines(row)), encoding="utf-8", newline="")
    return _STANDING if (row.found if row.is_dry_run else row.standing) else 0


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=False)
    publish = actions.add_parser("publish", help="publish jobs from files")
    publish.add_argument("files", nargs="+", type=Path, metavar="FILE", help="YAML or JSON")
    for name, told in (("enable", "let a job be compared"), ("disable", "compare a job no more")):
        actions.add_parser(name, help=told).add_argument("job")
    force = actions.add_parser("put-in-force", help="let a rule repair, after a comparison has shown what it would do")
    force.add_argument("job")
    force.add_argument("rule")


def _jobs(options: argparse.Namespace, console: Console) -> int:
    match options.action:
        case "publish":
            for file in options.files:
                _publish(file, console=console)
        case "enable" | "disable":
            is_enabled = options.action == "enable"
            operations.set_enabled(name=options.job, is_enabled=is_enabled, actor=operator(), now=timezone.now())
            console.print(f"{options.job} is {'on' if is_enabled else 'off'}", highlight=False)
        case "put-in-force":
            operations.put_in_force(name=options.job, rule=options.rule, actor=operator(), now=timezone.now())
            console.print(f"{options.rule} of {options.job} is in force", highlight=False)
        case _:
            _list_jobs(console)
    return 0


def _publish(file: Path, *, console: Console) -> None:
    try:
        version, is_new = operations.publish(
            source=file.read_text(encoding="utf-8"), actor=operator(), now=timezone.now()
        )
    except (OSError, UnicodeDecodeError) as error:
        raise bad_input(f"{file}: {error}") from error
    except JobInvalid as error:
        for problem in error.problems:
            console.print(f"{file}: {problem}", markup=False, highlight=False)
        raise bad_input(f"{file}: {len(error.problems)} problems, nothing was published of it") from error
    console.print(f"{version.job.name} v{version.number} {'published' if is_new else 'unchanged'}", highlight=False)


def _list_jobs(console: Console) -> None:
    table = Table("job", "version", "enabled", "latest comparison", "variances", "stand open")
    for job in queries.jobs():
        table.add_row(*reports.job_cells(job))
    console.print(table)


def _add_variances(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=False)
    listed = actions.add_parser("list", help="variances, the newest first")
    listed.add_argument("--job")
    listed.add_argument("--state", choices=[state.value for state in VarianceState], default="open")
    answer = actions.add_parser("answer", help="accept or dispute variances, or open them again")
    answer.add_argument("state", choices=sorted(state.value for state in ANSWERS))
    answer.add_argument("ids", nargs="+", type=int, metavar="ID")
    answer.add_argument("--note", default="")
    undo = actions.add_parser("undo", help="undo the latest repair of a variance")
    undo.add_argument("id", type=int)
    undo.add_argument("--reason", default="")


def _variances(options: argparse.Namespace, console: Console) -> int:
    match options.action:
        case "answer":
            told = operations.answer(
                ids=options.ids,
                wanted=VarianceState(options.state),
                note=options.note,
                actor=operator(),
                now=timezone.now(),
            )
            for number in told.changed:
                console.print(f"{number} is {options.state}", highlight=False)
            for number, why in told.refused.items():
                console.print(f"{number} stays: {why}", highlight=False)
            return 1 if told.refused else 0
        case "undo":
            repair = operations.undo_repair(
                variance_id=options.id, actor=operator(), now=timezone.now(), reason=options.reason
            )
            console.print(f"run {repair.run_id} is undone", highlight=False)
        case _:
            _list_variances(options, console)
    return 0


def _list_variances(options: argparse.Namespace, console: Console) -> None:
    rows = queries.variances().filter(state=getattr(options, "state", "open"))
    if getattr(options, "job", None):
        rows = rows.filter(job=queries.get_job(options.job))
    table = Table("id", "job", "key", "what", "amount", "since", "state", "owner")
    for row in rows[:_LISTED]:
        table.add_row(*reports.variance_cells(row))
    console.print(table)


SUBCOMMANDS = (
    Subcommand(
        name="reconcile",
        help="compare a job now, and start the repairs its rules allow",
        add_arguments=_add_reconcile,
        run=_reconcile,
    ),
    Subcommand(
        name="reconciliations",
        help="list reconciliation jobs; publish, switch or let rules repair",
        add_arguments=_add_jobs,
        run=_jobs,
    ),
    Subcommand(
        name="variances",
        help="list variances; answer them, or undo a repair",
        add_arguments=_add_variances,
        run=_variances,
    ),
)
