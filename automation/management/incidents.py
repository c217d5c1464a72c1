"""Lists incidents and messages that nobody could take, and says who looks after an incident."""

import argparse

from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.management.subcommand import Subcommand, no_arguments, operator
from workflows import incident_queries, operations
from workflows.core.states import IncidentState

_ALL = "all"
_UNFINISHED = "unfinished"
_SHOWN = 100


def _add_list(parser: argparse.ArgumentParser) -> None:
    states = [state.value for state in IncidentState]
    parser.add_argument("--state", choices=[_UNFINISHED, *states, _ALL], default=_UNFINISHED)
    parser.add_argument("--workflow", default=None)
    parser.add_argument("--limit", type=int, default=50)


def _list(options: argparse.Namespace, console: Console) -> int:
    rows = list(incident_queries.incidents(states=_states(options.state), workflow=options.workflow)[: options.limit])
    tallies = incident_queries.tallies(rows)
    table = Table("incident", "state", "count", "open", "on trial", "again", "where", "what", "owner", "last seen")
    for row in rows:
        tally = tallies[row.fingerprint]
        table.add_row(
            row.fingerprint,
            row.state,
            str(tally.total),
            str(tally.open),
            str(tally.pending),
            str(row.reopened),
            " ".join(part for part in (row.workflow_name, row.step) if part),
            f"{row.kind}: {row.title}",
            row.owner or "-",
            f"{row.last_seen_at:%Y-%m-%d %H:%M:%S}",
        )
    console.print(table)
    return 0


def _states(wanted: str) -> tuple[str, ...]:
    if wanted == _ALL:
        return ()
    return (IncidentState.OPEN, IncidentState.RESOLVING) if wanted == _UNFINISHED else (wanted,)


def _add_assign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("incident")
    parser.add_argument("owner", help="who looks after it; an empty text: nobody")


def _assign(options: argparse.Namespace, console: Console) -> int:
    incident = operations.assign_incident(
        found=options.incident, owner=options.owner, actor=operator(), now=timezone.now()
    )
    console.print(f"{incident.fingerprint} is looked after by {incident.owner or 'nobody'}", highlight=False)
    return 0


def _messages(_options: argparse.Namespace, console: Console) -> int:
    table = Table("message", "state", "queue", "reason", "bytes", "incident", "received", "note")
    for row in incident_queries.newest_messages(limit=_SHOWN):
        table.add_row(
            str(row.id),
            row.state,
            row.queue,
            row.reason,
            str(row.size_bytes),
            row.fingerprint,
            f"{row.received_at:%Y-%m-%d %H:%M:%S}",
            row.note,
        )
    console.print(table)
    return 0


SUBCOMMANDS = (
    Subcommand(name="incidents", help="list equal failures, each kind once", add_arguments=_add_list, run=_list),
    Subcommand(name="assign", help="say who looks after an incident", add_arguments=_add_assign, run=_assign),
    Subcommand(name="messages", help="list messages no worker could take", add_arguments=no_arguments, run=_messages),
)
