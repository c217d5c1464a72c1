"""Shows limits and who waits for them, and changes how much they hold."""

import argparse

from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.management.subcommand import Subcommand, operator
from workflows import capacity, operations


def _add_limits(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=False)
    show = actions.add_parser("show", help="who has the slots of a limit, and who waits")
    show.add_argument("name")
    set_to = actions.add_parser("set", help="make a limit, or change how many slots it has")
    set_to.add_argument("name")
    set_to.add_argument("capacity", type=int, metavar="N")
    set_to.add_argument("--description", default=None)
    delete = actions.add_parser("delete", help="delete a limit that nothing names any more")
    delete.add_argument("name")


def _limits(options: argparse.Namespace, console: Console) -> int:
    match options.action:
        case "set":
            return _set(options, console)
        case "delete":
            operations.delete_limit(name=options.name, actor=operator(), now=timezone.now())
            console.print(f"{options.name} deleted", highlight=False)
        case "show":
            _show(options.name, console)
        case _:
            _list(console)
    return 0


def _set(options: argparse.Namespace, console: Console) -> int:
    limit, _is_new = operations.set_limit(
        name=options.name,
        capacity=options.capacity,
        description=options.description,
        actor=operator(),
        now=timezone.now(),
    )
    console.print(f"{limit.name} has {limit.capacity} slots", highlight=False)
    return 0


def _list(console: Console) -> None:
    table = Table("limit", "capacity", "held", "waiting", "description")
    for one in capacity.reports():
        table.add_row(one.name, str(one.capacity), str(one.held), str(one.waiting), one.description)
    console.print(table)


def _show(name: str, console: Console) -> None:
    report = capacity.report(name=name)
    console.print(f"{name}: {report.held} of {report.capacity} slots held, {report.waiting} waiting", highlight=False)
    table = Table("slot or place", "run", "step", "since", "worker", "lease until")
    for holder in capacity.holders(name=name):
        times = (f"{holder.since:%H:%M:%S}", holder.owner, f"{holder.until:%H:%M:%S}")
        table.add_row(f"slot {holder.number}", str(holder.run_id), holder.step, *times)
    for waiter in capacity.line(name=name):
        table.add_row(f"place {waiter.position}", str(waiter.run_id), waiter.step, f"{waiter.since:%H:%M:%S}", "", "")
    console.print(table)


SUBCOMMANDS = (
    Subcommand(name="limits", help="list limits; show, set or delete one", add_arguments=_add_limits, run=_limits),
)
