"""Shows how long history is kept, lets old months go, and keeps some of it; needs nothing but the database."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.management.subcommand import Subcommand, bad_input, operator
from retention import operations, queries
from retention.core.policy import Verdict
from retention.core.scope import Scope
from retention.errors import RetentionError
from retention.queries import Judged

_WORDS = {
    Verdict.YOUNG: "stays: its time has not come",
    Verdict.BUSY: "stays: of its rows {busy} are still under way",
    Verdict.KEPT: "stays: all of its {kept} rows are held or unanswered",
    Verdict.THIN: "goes, but {kept} of {rows} rows stay: held or unanswered",
    Verdict.DROP: "goes with {rows} rows",
}


def _add_retention(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=False)
    status = actions.add_parser("status", help="the months there are, and what is wrong with them (exit code 1)")
    status.add_argument("--json", action="store_true")
    actions.add_parser("plan", help="what `run` would do")
    run = actions.add_parser("run", help="make the months to come and let old ones go")
    run.add_argument("--dry-run", action="store_true", help="only say what would be done")
    hold = actions.add_parser("hold", help="keep history, whatever its age")
    subject = hold.add_mutually_exclusive_group(required=True)
    for scope, meaning in (
        (Scope.RUN, "one run, by its id"),
        (Scope.WORKFLOW, "all runs of a workflow"),
        (Scope.CORRELATION, "all runs with a correlation id"),
    ):
        subject.add_argument(f"--{scope}", metavar="VALUE", help=meaning)
    hold.add_argument("--reason", required=True, help="the case, the order, the audit")
    hold.add_argument("--until", type=_day, default=None, metavar="YYYY-MM-DD", help="when it ends by itself")
    release = actions.add_parser("release", help="end a hold")
    release.add_argument("hold", type=int, metavar="NUMBER")
    release.add_argument("--reason", required=True)
    actions.add_parser("holds", help="the holds in force")


def _retention(options: argparse.Namespace, console: Console) -> int:
    now = timezone.now()
    try:
        match options.action:
            case "plan":
                return _plan(console, now=now)
            case "run":
                return _plan(console, now=now) if options.dry_run else _run(console, now=now)
            case "hold":
                return _hold(options, console, now=now)
            case "release":
                return _release(options, console, now=now)
            case "holds":
                return _holds(console, now=now)
            case _:
                return _status(console, now=now, as_json=getattr(options, "json", False))
    except RetentionError as error:
        raise bad_input(f"retention: {error}") from error


def _status(console: Console, *, now: datetime, as_json: bool) -> int:
    problems = queries.problems(now=now)
    judged = queries.plan(now=now)
    if as_json:
        months = [_as_json(one) for one in judged]
        document = {"months": months, "rows": queries.old_rows(now=now), "problems": problems}
        console.print(orjson.dumps(document).decode(), highlight=False, soft_wrap=True)
        return 1 if problems else 0
    table = Table("history", "month", "size", "what becomes of it")
    for one in judged:
        table.add_row(one.span.data.name, one.span.label, _size(one.span.size_bytes), _fate(one))
    console.print(table)
    _print_rows(console, rows=queries.old_rows(now=now))
    for problem in problems:
        console.print(problem, style="red", highlight=False)
    return 1 if problems else 0


def _plan(console: Console, *, now: datetime) -> int:
    expired = [one for one in queries.plan(now=now) if one.verdict is not Verdict.YOUNG]
    for one in expired:
        console.print(f"{one.span.data.name} {one.span.label} {_fate(one)}", highlight=False)
    if not expired:
        console.print("no month has come to its end", highlight=False)
    _print_rows(console, rows=queries.old_rows(now=now))
    return 0


def _print_rows(console: Console, *, rows: Mapping[str, int]) -> None:
    for table, number in rows.items():
        if number:
            console.print(f"{table}: {number} rows go", highlight=False)


def _run(console: Console, *, now: datetime) -> int:
    for name in operations.make_ahead(now=now):
        console.print(f"{name} made", highlight=False)
    done = operations.clean(now=now, actor=operator())
    if done is None:
        console.print("another process is at it", highlight=False)
        return 0
    for gone in done:
        name = f"{gone.judged.span.data.name} {gone.judged.span.label}"
        if gone.trouble:
            console.print(f"{name} stays for now: {gone.trouble}", style="red", highlight=False)
        else:
            console.print(f"{name} {_fate(gone.judged)}", highlight=False)
    if not done:
        console.print("no month has come to its end", highlight=False)
    are_swept = _sweep(console, now=now)
    problems = queries.problems(now=now)
    for problem in problems:
        console.print(problem, style="red", highlight=False)
    return 1 if problems or not are_swept or any(gone.trouble for gone in done) else 0


def _sweep(console: Console, *, now: datetime) -> bool:
    done = operations.sweep(now=now, actor=operator()) or []
    for one in done:
        trouble = f", others stay for now: {one.trouble}" if one.trouble else ""
        console.print(f"{one.table}: {one.rows} rows went{trouble}", highlight=False)
    return not any(one.trouble for one in done)


def _hold(options: argparse.Namespace, console: Console, *, now: datetime) -> int:
    scope = next(scope for scope in Scope if getattr(options, scope) is not None)
    placed = operations.place_hold(
        scope=scope,
        value=getattr(options, scope),
        reason=options.reason,
        until=options.until,
        actor=operator(),
        now=now,
    )
    console.print(f"hold {placed.id}: {placed.scope} {placed.value} stays", highlight=False)
    return 0


def _release(options: argparse.Namespace, console: Console, *, now: datetime) -> int:
    changed = operations.release_hold(hold_id=options.hold, reason=options.reason, actor=operator(), now=now)
    console.print(f"hold {options.hold} {'released' if changed else 'was released before'}", highlight=False)
    return 0


def _holds(console: Console, *, now: datetime) -> int:
    table = Table("hold", "keeps", "value", "since", "until", "by", "why")
    for one in queries.active_holds(now=now):
        until = "" if one.until is None else f"{one.until:%Y-%m-%d}"
        table.add_row(str(one.id), one.scope, one.value, f"{one.placed_at:%Y-%m-%d}", until, one.placed_by, one.reason)
    console.print(table)
    return 0


def _fate(judged: Judged) -> str:
    facts = judged.facts
    counts = {} if facts is None else {"rows": facts.rows, "busy": facts.busy, "kept": facts.kept}
    return _WORDS[judged.verdict].format(**counts)


def _as_json(judged: Judged) -> dict[str, object]:
    span = judged.span
    return {
        "history": span.data.name,
        "month": span.label,
        "ends_at": span.ends_at.isoformat(),
        "size_bytes": span.size_bytes,
        "verdict": judged.verdict.value,
        "facts": None
        if judged.facts is None
        else {"rows": judged.facts.rows, "busy": judged.facts.busy, "kept": judged.facts.kept},
    }


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1_048_576:,.1f} MiB"


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date like 2030-12-31") from error


SUBCOMMANDS = (
    Subcommand(
        name="retention",
        help="how long history is kept; let old months go, or hold them",
        add_arguments=_add_retention,
        run=_retention,
    ),
)
