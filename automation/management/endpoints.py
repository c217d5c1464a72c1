"""Endpoints that are sent events, their messages, and sending again."""

import argparse
from collections.abc import Callable, Mapping
from uuid import UUID

from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automation.management.subcommand import Subcommand, operator
from automation.outbound import endpoints, queries
from automation.outbound.endpoints import EndpointWanted
from automation.outbound_models import Format, MessageState

_LISTED = 50


def _add_endpoints(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="list the endpoints")
    set_to = verbs.add_parser("set", help="make an endpoint, or change it")
    set_to.add_argument("name")
    set_to.add_argument("url", help="an https address; with --connection, a path of it")
    set_to.add_argument("--type", action="append", required=True, help="order.paid, or order.*; may be repeated")
    set_to.add_argument("--secret", action="append", required=True, help="env:NAME; may be repeated, the newest first")
    set_to.add_argument("--connection", default="")
    set_to.add_argument("--source", default="", help="only events of it")
    set_to.add_argument("--format", default=Format.STANDARD.value, choices=[form.value for form in Format])
    set_to.add_argument("--disabled", action="store_true", help="it is sent nothing")
    verbs.add_parser("delete", help="delete an endpoint with its messages").add_argument("name")
    messages = verbs.add_parser("messages", help="list messages, the newest first")
    messages.add_argument("--endpoint", default="")
    messages.add_argument("--state", default="", choices=["", *(state.value for state in MessageState)])
    messages.add_argument("--limit", type=int, default=_LISTED)
    again = verbs.add_parser("redeliver", help="have messages that have ended sent again")
    again.add_argument("message", type=UUID, nargs="+")


def _endpoints(options: argparse.Namespace, console: Console) -> int:
    verbs: Mapping[str, Callable[[argparse.Namespace, Console], None]] = {
        "list": _list,
        "set": _set,
        "delete": _delete,
        "messages": _messages,
        "redeliver": _redeliver,
    }
    verbs[options.verb](options, console)
    return 0


def _list(_options: argparse.Namespace, console: Console) -> None:
    table = Table(
        "endpoint", "url", "connection", "types", "format", "secrets", "enabled", "failing since", "why disabled"
    )
    for row in queries.endpoints():
        failing = "" if row.failing_since is None else f"{row.failing_since:%Y-%m-%d %H:%M:%S}"
        enabled = "yes" if row.is_enabled else "no"
        wanted = (row.name, row.url, row.connection, ", ".join(row.types), row.format, ", ".join(row.secrets))
        table.add_row(*map(escape, (*wanted, enabled, failing, row.disabled_reason)))
    console.print(table)


def _set(options: argparse.Namespace, console: Console) -> None:
    wanted = EndpointWanted(
        name=options.name,
        url=options.url,
        types=tuple(options.type),
        secrets=tuple(options.secret),
        connection=options.connection,
        source=options.source,
        format=options.format,
        is_enabled=not options.disabled,
    )
    _, is_new = endpoints.save_endpoint(wanted, actor=operator(), now=timezone.now())
    console.print(f"{options.name} {'is new' if is_new else 'is set'}", highlight=False)


def _delete(options: argparse.Namespace, console: Console) -> None:
    endpoints.delete_endpoint(name=options.name, actor=operator(), now=timezone.now())
    console.print(f"{options.name} deleted", highlight=False)


def _messages(options: argparse.Namespace, console: Console) -> None:
    table = Table("message", "endpoint", "type", "state", "attempts", "due", "latest")
    for row in queries.messages(endpoint=options.endpoint, state=options.state)[: options.limit]:
        latest = queries.latest_attempt(row)
        told = f"{latest['status'] or 'no answer'} {latest['error']}".strip() if latest else ""
        due = f"{row.due_at:%Y-%m-%d %H:%M:%S}" if row.state == MessageState.PENDING else ""
        words = (str(row.id), row.endpoint.name, row.type, row.state, str(row.attempts), due, told)
        table.add_row(*map(escape, words))
    console.print(table)


def _redeliver(options: argparse.Namespace, console: Console) -> None:
    count = endpoints.redeliver(options.message, actor=operator(), now=timezone.now())
    console.print(f"{count} sent again", highlight=False)


SUBCOMMANDS = (
    Subcommand(
        name="endpoints",
        help="endpoints that are sent events, their messages, and sending again",
        add_arguments=_add_endpoints,
        run=_endpoints,
    ),
)
