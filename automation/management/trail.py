"""Proves that the audit trail is what was recorded."""

import argparse
from uuid import UUID

from rich.console import Console

from audit import queries, verify
from automation.management.subcommand import Subcommand
from workflows import queries as workflows


def _add_audit(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("verify", help="compare every event with its digest; exit code 1 if one differs")
    check.add_argument("--run", type=UUID, default=None, help="only the events of this run")


def _verify(options: argparse.Namespace, console: Console) -> int:
    if options.run is None:
        events = queries.walk()
    else:
        events = queries.events_for(str(workflows.get_run(run_id=options.run).id)).iterator()
    total = changed = 0
    for event in events:
        total += 1
        if not verify.is_genuine(event):
            changed += 1
            console.print(f"event {event.id} was changed after it was recorded", style="red", highlight=False)
    console.print(f"{total} events, {changed} changed", highlight=False)
    return 1 if changed else 0


SUBCOMMANDS = (Subcommand(name="audit", help="prove the audit trail", add_arguments=_add_audit, run=_verify),)
