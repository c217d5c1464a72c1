"""Lists and shows outbound calls, and settles those of unknown outcome."""

import argparse
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from audit.redaction import redacted
from automation.management.runs import read_input
from automation.management.subcommand import Subcommand, bad_input, operator
from integrations import call_queries, operations
from integrations.calls.rules import Outcome

_SHOWN = 50
_HAPPENED: Mapping[bool | None, str] = {True: "yes", False: "no", None: "nobody knows"}


def _add_calls(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listed = verbs.add_parser("list", help="list calls, those first sent latest first")
    listed.add_argument("--connection", default="")
    listed.add_argument("--outcome", choices=[*(one.value for one in Outcome), call_queries.OPEN], default="")
    listed.add_argument("--run", type=UUID, default=None)
    listed.add_argument("--since", default="", help="such as 2026-01-31T08:00:00+01:00")
    listed.add_argument("--limit", type=int, default=_SHOWN)
    show = verbs.add_parser("show", help="show a call with its evidence and output")
    show.add_argument("key", type=UUID)
    settle = verbs.add_parser("settle", help="say whether a call of unknown outcome has happened")
    settle.add_argument("key", type=UUID)
    found = settle.add_mutually_exclusive_group(required=True)
    found.add_argument("--happened", metavar="JSON|@FILE", default=None, help="it did; this is what its step gives")
    found.add_argument("--did-not-happen", action="store_true", help="it did not: it may be sent")
    settle.add_argument("--reason", required=True, help="how you know; is written into the audit trail")


def _calls(options: argparse.Namespace, console: Console) -> int:
    verbs = {"list": _list, "show": _show, "settle": _settle}
    return verbs[options.verb](options, console)


def _list(options: argparse.Namespace, console: Console) -> int:
    calls = call_queries.narrowed(
        connection=options.connection, outcome=options.outcome, run_id=options.run, since=_instant(options.since)
    )
    table = Table("call", "outcome", "happened", "attempts", "adapter", "connection", "workflow", "step", "run", "sent")
    for call in calls.defer("output", "evidence")[: options.limit]:
        words = (
            str(call.key),
            call.outcome,
            _HAPPENED[call.happened],
            str(call.attempts),
            call.adapter,
            call.connection,
            call.workflow_name,
            call.place,
            str(call.run_id),
            f"{call.first_sent_at:%Y-%m-%d %H:%M:%S}",
        )
        table.add_row(*map(escape, words))
    console.print(table)
    return 0


def _show(options: argparse.Namespace, console: Console) -> int:
    for name, value in _facts(call_queries.get_call(options.key)).items():
        console.print(f"{name:<14} {value}", highlight=False, markup=False)
    return 0


def _facts(call: Any) -> Mapping[str, str]:  # Any: a row of calls
    return {
        "call": str(call.key),
        "run": str(call.run_id),
        "workflow": call.workflow_name,
        "step": call.place,
        "adapter": call.adapter,
        "connection": call.connection,
        "outcome": f"{call.outcome} by {call.settled_by}" if call.settled_by else call.outcome,
        "happened": _HAPPENED[call.happened],
        "attempts": f"{call.attempts}, looked up {call.look_ups} times",
        "first sent": f"{call.first_sent_at:%Y-%m-%d %H:%M:%S}",
        "last sent": f"{call.last_sent_at:%Y-%m-%d %H:%M:%S}",
        "took": "" if call.duration_ms is None else f"{call.duration_ms:g} ms",
        "digest": call.digest,
        "evidence": orjson.dumps(redacted(call.evidence)).decode(),
        "output": orjson.dumps(redacted(call.output)).decode() if call.has_output else "not kept",
    }


def _settle(options: argparse.Namespace, console: Console) -> int:
    happened = not options.did_not_happen
    output = read_input(options.happened) if happened else None
    finding = operations.Finding(happened=happened, output=output, reason=options.reason)
    call = operations.settle_call(key=options.key, finding=finding, actor=operator(), now=timezone.now())
    became = "has happened" if happened else "did not happen"
    console.print(f"the call {call.key} {became}; requeue {call.place} of {call.run_id} to go on", highlight=False)
    return 0


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad_input(f"--since: {text!r} is no instant: write it such as 2026-01-31T08:00:00+01:00") from error
    return at if at.tzinfo is not None else at.astimezone()


SUBCOMMANDS = (
    Subcommand(
        name="calls", help="list, show and settle outbound calls of steps", add_arguments=_add_calls, run=_calls
    ),
)
