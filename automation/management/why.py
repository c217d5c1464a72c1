"""Says what a run is doing and why it waits, and what a schedule waits for."""

import argparse
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import orjson
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automation import schedule_explaining, schedule_queries
from automation.management.subcommand import Subcommand
from workflows import explaining, queries


def _add_why(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("of", metavar="RUN|SCHEDULE", help="id of a run, or name or number of a schedule")
    parser.add_argument("--json", action="store_true", help="write what the API answers")


def _why(options: argparse.Namespace, console: Console) -> int:
    run_id = _uuid(options.of)
    found: explaining.Explanation | schedule_explaining.ScheduleExplanation
    if run_id is not None:
        found = explaining.explain(queries.get_run(run_id=run_id))
    else:
        found = schedule_explaining.explain(schedule_queries.get_schedule(options.of), now=timezone.now())
    if options.json:
        console.print(orjson.dumps(asdict(found)).decode(), highlight=False, markup=False)
    elif isinstance(found, explaining.Explanation):
        _tell_run(found, console)
    else:
        _tell_schedule(found, console)
    return 0


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _tell_run(found: explaining.Explanation, console: Console) -> None:
    console.print(f"{found.workflow}:", found.summary, highlight=False, markup=False)
    if found.deadline_at is not None:
        console.print(f"its deadline is {found.deadline_at:%Y-%m-%d %H:%M:%S}", highlight=False, markup=False)
    if found.reasons:
        table = Table("step", "why", "since", "until", "goes on when", "ahead of it")
        for reason in found.reasons:
            number = f" ({reason.count} alike)" if reason.count > 1 else ""
            table.add_row(escape(reason.step), escape(f"{reason.says}{number}"), *_rest(reason))
        console.print(table)
    for behind in found.behind:
        console.print(f"{behind.step}: comes after {', '.join(behind.waits_for)}", highlight=False, markup=False)


def _tell_schedule(found: schedule_explaining.ScheduleExplanation, console: Console) -> None:
    console.print(f"{found.schedule}:", found.summary, highlight=False, markup=False)
    table = Table("due", "why", "since", "until", "goes on when", "ahead of it")
    for reason in found.reasons:
        table.add_row(_short(reason.due_at), escape(reason.says), *_rest(reason))
    console.print(table)
    if found.latest is not None:
        told = f"the due time before, {_short(found.latest.due_at)}, {found.latest.says}"
        console.print(told, highlight=False, markup=False)


def _rest(reason: explaining.Reason | schedule_explaining.ScheduleReason) -> tuple[str, str, str, str]:
    return _short(reason.since), _short(reason.until), escape(reason.ends_when), escape("; ".join(reason.ahead))


def _short(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"


SUBCOMMANDS = (
    Subcommand(
        name="why",
        help="say what a run is doing and why it waits, or what a schedule waits for",
        add_arguments=_add_why,
        run=_why,
    ),
)
