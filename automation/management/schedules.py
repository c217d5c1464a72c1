"""Lists schedules, shows what is due next and what became of due times, and pauses, resumes, triggers and backfills."""

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation import schedule_queries, scheduling
from automation.management.subcommand import Subcommand, bad_input, operator
from automation.models import Backfill, Schedule
from automation.schedule.backfill import Order, Reprocess
from automation.schedule.rule import TIMINGS

_SHOWN = 20


def _add_schedules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workflow", default=None)
    parser.add_argument("--all", action="store_true", help="those that have ended, too")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=False)
    helps = {
        "show": "what it says, its next due times and its latest fires",
        "pause": "have it not be due until it is resumed",
        "resume": "have it be due again from now on",
        "trigger": "have it fire now",
        "backfill": "make up for due times of the past",
        "backfills": "how far its backfills are",
    }
    made = {name: actions.add_parser(name, help=text) for name, text in helps.items()}
    for one in made.values():
        one.add_argument("schedule", help="its name or number")
    made["pause"].add_argument("--reason", required=True)
    backfill = made["backfill"]
    backfill.add_argument("--from", dest="start", type=_instant, required=True, metavar="INSTANT")
    backfill.add_argument("--to", dest="end", type=_instant, required=True, metavar="INSTANT")
    backfill.add_argument("--order", choices=[one.value for one in Order], default=Order.FORWARD.value)
    backfill.add_argument("--parallel", type=int, default=1)
    backfill.add_argument("--reprocess", choices=[one.value for one in Reprocess], default=Reprocess.NONE.value)
    backfill.add_argument("--dry-run", action="store_true", help="only list what would be done")
    stop = actions.add_parser("stop-backfill", help="have a backfill begin nothing more")
    stop.add_argument("backfill", type=int)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no instant: write 2026-01-31T08:00:00+01:00") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _schedules(options: argparse.Namespace, console: Console) -> int:
    actions: Mapping[str, Callable[[argparse.Namespace, Console], None]] = {
        "show": _show,
        "pause": _pause,
        "resume": _resume,
        "trigger": _trigger,
        "backfill": _backfill,
        "backfills": _backfills,
        "stop-backfill": _stop_backfill,
    }
    actions.get(options.action, _list)(options, console)
    return 0


def _list(options: argparse.Namespace, console: Console) -> None:
    rows = list(schedule_queries.schedules(workflow=options.workflow, with_ended=options.all))
    latest = schedule_queries.latest_fires(rows)
    table = Table("schedule", "number", "state", "when", "workflow", "next", "latest", "late")
    for row in rows:
        fire = latest.get(row.pk)
        table.add_row(
            row.name,
            str(row.pk),
            row.state,
            _when(row),
            row.workflow or "(Celery task)",
            _short(row.next_fire_at),
            "-" if fire is None else f"{_short(fire.due_at)} {fire.state} {fire.reason}".rstrip(),
            "-" if fire is None else f"{fire.late_ms} ms",
        )
    console.print(table)
    missed = schedule_queries.missed_fires(now=timezone.now())
    for one in missed:
        console.print(f"MISSED: {one.name} was due at {one.due_at.isoformat()}", highlight=False)


def _show(options: argparse.Namespace, console: Console) -> None:
    schedule = schedule_queries.get_schedule(options.schedule)
    console.print(f"{schedule.name}: {schedule.state} {schedule.paused_reason}".rstrip(), highlight=False)
    console.print(f"{_when(schedule)}; {schedule.rule}", highlight=False)
    table = Table("next", "local time", "UTC", "fires at", "note")
    for number, one in enumerate(schedule_queries.preview(schedule, now=timezone.now()), start=1):
        note = f"skipped: {one.skipped_by}" if one.skipped_by else one.note
        table.add_row(str(number), one.local_at.isoformat(), _short(one.due_at), _short(one.fire_at), note)
    console.print(table)
    table = Table("due", "late", "cause", "state", "run", "its state", "detail")
    for fire in schedule_queries.fires_of(schedule)[:_SHOWN]:
        words = f"{fire.state} {fire.reason}".rstrip()
        cells = (str(fire.run_id or "-"), fire.run_state or "-", fire.detail)
        table.add_row(_short(fire.due_at), f"{fire.late_ms} ms", fire.cause, words, *cells)
    console.print(table)


def _pause(options: argparse.Namespace, console: Console) -> None:
    schedule = schedule_queries.get_schedule(options.schedule)
    scheduling.pause(schedule=schedule, reason=options.reason, actor=operator(), now=timezone.now())
    console.print(f"{schedule.name} is paused", highlight=False)


def _resume(options: argparse.Namespace, console: Console) -> None:
    schedule = schedule_queries.get_schedule(options.schedule)
    scheduling.resume(schedule=schedule, actor=operator(), now=timezone.now())
    console.print(f"{schedule.name} is due again", highlight=False)


def _trigger(options: argparse.Namespace, console: Console) -> None:
    schedule = schedule_queries.get_schedule(options.schedule)
    fire = scheduling.trigger(schedule=schedule, actor=operator(), now=timezone.now())
    console.print(f"{schedule.name} fires: number {fire.pk}", highlight=False)


def _backfill(options: argparse.Namespace, console: Console) -> None:
    schedule = schedule_queries.get_schedule(options.schedule)
    wish = scheduling.BackfillWish(
        starts_at=options.start,
        ends_at=options.end,
        order=Order(options.order),
        parallel=options.parallel,
        reprocess=Reprocess(options.reprocess),
    )
    if options.dry_run:
        plan = scheduling.plan_backfill(schedule=schedule, wish=wish, now=timezone.now())
        for due in plan.dues:
            console.print(due.isoformat(), highlight=False)
        alone, excluded = len(plan.left_alone), len(plan.excluded)
        console.print(f"{len(plan.dues)} to do, {alone} left alone, {excluded} on days off", highlight=False)
        return
    backfill = scheduling.start_backfill(schedule=schedule, wish=wish, actor=operator(), now=timezone.now())
    console.print(f"backfill {backfill.pk} of {schedule.name}: {len(backfill.dues)} due times", highlight=False)


def _backfills(options: argparse.Namespace, console: Console) -> None:
    schedule = schedule_queries.get_schedule(options.schedule)
    table = Table("backfill", "state", "from", "to", "done", "of", "made", "passed over", "by")
    for one in schedule_queries.backfills_of(schedule)[:_SHOWN]:
        counts = (str(one.position), str(len(one.dues)), str(one.made), str(one.passed_over))
        table.add_row(str(one.pk), one.state, _short(one.starts_at), _short(one.ends_at), *counts, one.created_by)
    console.print(table)


def _stop_backfill(options: argparse.Namespace, console: Console) -> None:
    if options.backfill < 1:
        raise bad_input("the number of a backfill is 1 or more")
    found: Backfill = scheduling.stop_backfill(backfill_id=options.backfill, actor=operator(), now=timezone.now())
    console.print(f"backfill {found.pk} is stopped at {found.position} of {len(found.dues)}", highlight=False)


def _when(schedule: Schedule) -> str:
    kind = next((name for name in TIMINGS if name in schedule.rule), "")
    zone = schedule.rule.get("timezone", "UTC")
    return f"{kind} {schedule.rule.get(kind)} {zone}" if kind != "crontab" else f"crontab {zone}"


def _short(instant: datetime | None) -> str:
    return "-" if instant is None else f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


SUBCOMMANDS = (
    Subcommand(
        name="schedules",
        help="list schedules; show, pause, trigger, backfill one",
        add_arguments=_add_schedules,
        run=_schedules,
    ),
)
