"""Lists, sets and deletes calendars of days on which schedules are not due."""

import argparse

import orjson
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation import schedule_queries, scheduling
from automation.management.subcommand import Subcommand, bad_input, operator


def _add_calendars(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=False)
    set_to = actions.add_parser("set", help="make a calendar, or change its days")
    set_to.add_argument("name")
    set_to.add_argument("days", metavar="JSON", help='{"dates": ["12-25"], "ranges": [...], "weekdays": ["SUN"]}')
    set_to.add_argument("--description", default=None)
    delete = actions.add_parser("delete", help="delete a calendar that no schedule names")
    delete.add_argument("name")


def _calendars(options: argparse.Namespace, console: Console) -> int:
    match options.action:
        case "set":
            _set(options, console)
        case "delete":
            scheduling.delete_calendar(name=options.name, actor=operator(), now=timezone.now())
            console.print(f"{options.name} deleted", highlight=False)
        case _:
            table = Table("calendar", "days", "description")
            for row in schedule_queries.calendars():
                table.add_row(row.name, orjson.dumps(row.days).decode(), row.description)
            console.print(table)
    return 0


def _set(options: argparse.Namespace, console: Console) -> None:
    try:
        days = orjson.loads(options.days)
    except orjson.JSONDecodeError as error:
        raise bad_input(f"the days are no JSON: {error}") from error
    if not isinstance(days, dict):
        raise bad_input("the days are no JSON object")
    calendar, _ = scheduling.set_calendar(
        name=options.name, days=days, description=options.description, actor=operator(), now=timezone.now()
    )
    console.print(f"{calendar.name} is set", highlight=False)


SUBCOMMANDS = (
    Subcommand(
        name="calendars",
        help="list calendars of days off; set or delete one",
        add_arguments=_add_calendars,
        run=_calendars,
    ),
)
