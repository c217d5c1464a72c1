"""Sources of webhooks, what they sent and what was refused; has requests read again; lists what events start."""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automation.inbound import queries, replaying, sources
from automation.inbound.sources import SourceWanted
from automation.inbound_models import DeliveryState
from automation.management.subcommand import Subcommand, bad_input, no_arguments, operator
from automation.verification.presets import PRESETS
from workflows.core.definition import JsonObject

_LISTED = 50
_Run = Callable[[argparse.Namespace, Console], None]


def _add_webhooks(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("sources", help="list the sources, and how much of each was refused in a day")
    set_to = verbs.add_parser("set", help="make a source, or change it")
    set_to.add_argument("name", help="the address is /hooks/NAME")
    set_to.add_argument("--preset", required=True, choices=sorted(PRESETS))
    set_to.add_argument("--secret", action="append", default=[], help="env:NAME; may be repeated, the newest first")
    set_to.add_argument("--options", default="{}", help="JSON: what the preset wants to know")
    set_to.add_argument("--rate", type=float, default=100.0, help="requests a second; 0: no limit")
    set_to.add_argument("--burst", type=int, default=200, help="requests at once, after a rest")
    set_to.add_argument("--max-bytes", type=int, default=1_000_000, help="the largest body")
    set_to.add_argument("--disabled", action="store_true", help="its address is not there")
    verbs.add_parser("delete", help="delete a source that starts nothing").add_argument("name")
    listed = verbs.add_parser("list", help="list what came in, the newest first")
    listed.add_argument("--source", default="")
    listed.add_argument("--state", default="", choices=["", *(state.value for state in DeliveryState)])
    listed.add_argument("--limit", type=int, default=_LISTED)
    verbs.add_parser("show", help="show a request, with its secrets masked").add_argument("delivery", type=UUID)
    replay = verbs.add_parser("replay", help="have requests read again, as new events")
    replay.add_argument("delivery", type=UUID, nargs="+")
    refused = verbs.add_parser("refused", help="what was not taken, by source, reason and hour")
    refused.add_argument("--source", default="")
    refused.add_argument("--hours", type=int, default=24)


def _webhooks(options: argparse.Namespace, console: Console) -> int:
    verbs: Mapping[str, _Run] = {
        "sources": _sources,
        "set": _set,
        "delete": _delete,
        "list": _list,
        "show": _show,
        "replay": _replay,
        "refused": _refused,
    }
    verbs[options.verb](options, console)
    return 0


def _sources(_options: argparse.Namespace, console: Console) -> None:
    refused = queries.refused(now=timezone.now())
    table = Table("source", "preset", "secrets", "rate", "burst", "largest body", "enabled", "refused in 24 h")
    for row in queries.sources():
        table.add_row(
            row.name,
            row.preset,
            ", ".join(row.secrets),
            f"{row.rate_per_s:g}/s",
            str(row.burst),
            f"{row.max_bytes} bytes",
            "yes" if row.is_enabled else "no",
            str(refused.get(row.name, 0)),
        )
    console.print(table)


def _set(options: argparse.Namespace, console: Console) -> None:
    wanted = SourceWanted(
        name=options.name,
        preset=options.preset,
        options=_object(options.options),
        secrets=tuple(options.secret),
        rate_per_s=options.rate,
        burst=options.burst,
        max_bytes=options.max_bytes,
        is_enabled=not options.disabled,
    )
    _, is_new = sources.save_source(wanted, actor=operator(), now=timezone.now())
    console.print(f"{options.name} {'is new' if is_new else 'is set'}: /hooks/{options.name}", highlight=False)


def _delete(options: argparse.Namespace, console: Console) -> None:
    sources.delete_source(name=options.name, actor=operator(), now=timezone.now())
    console.print(f"{options.name} deleted", highlight=False)


def _list(options: argparse.Namespace, console: Console) -> None:
    table = Table("delivery", "source", "type", "id", "state", "received", "problem")
    for row in queries.deliveries(source=options.source, state=options.state)[: options.limit]:
        received = f"{row.received_at:%Y-%m-%d %H:%M:%S}"
        words = (str(row.id), row.source, row.type, row.delivery_id, row.state, received, row.problem)
        table.add_row(*map(escape, words))
    console.print(table)


def _show(options: argparse.Namespace, console: Console) -> None:
    row = queries.get_delivery(delivery=options.delivery)
    shown: Mapping[str, Any] = {  # Any: a line each
        "source": row.source,
        "state": row.state,
        "problem": row.problem,
        "type": row.type,
        "id": row.delivery_id,
        "received at": f"{row.received_at:%Y-%m-%d %H:%M:%S}",
        "event": row.event or "",
        "headers": json.dumps(queries.shown_headers(row)),
        "body": json.dumps(queries.shown_body(row)),
    }
    for name, value in shown.items():
        console.print(f"{name:<12} {value}", highlight=False, markup=False)
    table = Table("workflow", "trigger", "state", "run", "problem")
    for firing in queries.firings(event=row.event) if row.event is not None else ():
        words = (
            firing.trigger.workflow,
            str(firing.trigger_id),
            firing.state,
            str(firing.run_id or ""),
            firing.problem,
        )
        table.add_row(*map(escape, words))
    console.print(table)


def _replay(options: argparse.Namespace, console: Console) -> None:
    for made in replaying.replay(options.delivery, actor=operator(), now=timezone.now()):
        console.print(str(made), highlight=False)


def _refused(options: argparse.Namespace, console: Console) -> None:
    table = Table("hour", "source", "reason", "count", "latest")
    for row in queries.refusals(source=options.source, now=timezone.now(), hours=options.hours):
        hour = f"{row.hour:%Y-%m-%d %H:00}"
        table.add_row(hour, escape(row.source), row.reason, str(row.count), f"{row.latest_at:%H:%M:%S}")
    console.print(table)


def _triggers(_options: argparse.Namespace, console: Console) -> int:
    table = Table("workflow", "on", "type", "source", "match", "within", "missing since")
    for row in queries.triggers():
        within = f"{row.within_s:g} s" if row.within_s else ""
        missing = "" if row.missing_since is None else f"{row.missing_since:%Y-%m-%d %H:%M:%S}"
        words = (row.workflow, row.kind, row.shown_type, row.source or "any", row.match, within, missing)
        table.add_row(*map(escape, words))
    console.print(table)
    return 0


def _object(text: str) -> JsonObject:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise bad_input(f"--options is not JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise bad_input('--options must be an object, such as \'{"header": "X-Signature"}\'')
    return value


SUBCOMMANDS = (
    Subcommand(
        name="webhooks",
        help="sources of webhooks, what they sent, replays, and what was refused",
        add_arguments=_add_webhooks,
        run=_webhooks,
    ),
    Subcommand(name="triggers", help="list what starts runs at events", add_arguments=no_arguments, run=_triggers),
)
