"""Publishes, lists and shows events."""

import argparse
import sys
from datetime import datetime
from uuid import UUID, uuid4

import orjson
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automation.management.subcommand import Subcommand, bad_input, operator
from workflows import event_queries, operations
from workflows.core.correlation import NewEvent
from workflows.core.definition import JsonValue
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.timers import WaitInvalid, read_instant

_SHOWN = 50


def _add_event(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    publish = verbs.add_parser("publish", help="publish an event; the same id and source again change nothing")
    publish.add_argument("type", help="such as payment.settled")
    publish.add_argument("--key", default="", help="whom it is about: steps wait for a type and a key")
    publish.add_argument("--data", default="null", help="JSON; - reads it from standard input")
    publish.add_argument("--id", default="", help="its id at its source (a new one)")
    publish.add_argument("--source", default="", help="where it comes from (this command, and who calls it)")
    publish.add_argument("--subject", default="")
    publish.add_argument("--time", default="", help="when it happened, such as 2026-01-31T08:00:00+01:00")
    publish.add_argument("--ttl", default="", help="how long it is kept for steps that do not wait yet, such as 3d")
    listed = verbs.add_parser("list", help="list events, the newest first")
    listed.add_argument("--type", default="")
    listed.add_argument("--key", default="")
    listed.add_argument("--limit", type=int, default=_SHOWN)
    show = verbs.add_parser("show", help="show an event, and who received it")
    show.add_argument("event", type=UUID)


def _event(options: argparse.Namespace, console: Console) -> int:
    verbs = {"publish": _publish, "list": _list, "show": _show}
    return verbs[options.verb](options, console)


def _publish(options: argparse.Namespace, console: Console) -> int:
    actor = operator()
    event = NewEvent(
        id=options.id or str(uuid4()),
        source=options.source or str(actor),
        type=options.type,
        key=options.key or options.subject,
        subject=options.subject,
        time=_time(options.time),
        data=_data(options.data),
        ttl_s=_ttl(options.ttl),
    )
    told = operations.publish_event(event, actor=actor, now=timezone.now())
    became = "is published" if told.is_new else "came before: nothing is changed"
    console.print(f"{told.row} {became}; steps that waited for it: {told.waiting}", highlight=False)
    return 0


def _list(options: argparse.Namespace, console: Console) -> int:
    now = timezone.now()
    table = Table("event", "type", "key", "source", "id", "received", "buffered until")
    for event in event_queries.newest(event_type=options.type, key=options.key)[: options.limit]:
        kept = _instant(event.expires_at) if event_queries.is_buffered(event, now=now) else "expired"
        words = (str(event.id), event.type, event.key, event.source, event.event_id, _instant(event.received_at), kept)
        table.add_row(*map(escape, words))
    console.print(table)
    return 0


def _show(options: argparse.Namespace, console: Console) -> int:
    event = event_queries.get_event(row=options.event)
    for name, value in event_queries.attributes_of(event).items():
        console.print(f"{name:<14} {value}", highlight=False, markup=False)
    table = Table("received by run", "workflow", "step", "waited since", "received at")
    for wait in event_queries.receivers(event=event.id):
        ended = "" if wait.ended_at is None else _instant(wait.ended_at)
        words = (str(wait.run_id), wait.workflow_name, str(event_queries.place_of(wait)), _instant(wait.since), ended)
        table.add_row(*map(escape, words))
    console.print(table)
    return 0


def _data(text: str) -> JsonValue:
    try:
        value: JsonValue = orjson.loads(sys.stdin.read() if text == "-" else text)
    except orjson.JSONDecodeError as error:
        raise bad_input(f"--data is not JSON: {error}") from error
    return value


def _time(text: str) -> datetime | None:
    try:
        return read_instant(text) if text else None
    except WaitInvalid as error:
        raise bad_input(f"--time: {str(error).removeprefix('`until`: ')}") from error


def _ttl(text: str) -> float | None:
    try:
        return parse_duration(text) if text else None
    except DurationInvalid as error:
        raise bad_input(f"--ttl: {error}") from error


def _instant(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}"


SUBCOMMANDS = (Subcommand(name="event", help="publish, list and show events", add_arguments=_add_event, run=_event),)
