"""Lists what ran out of attempts, and tries it again or gives it up."""

import argparse

import orjson
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.management import selecting
from automation.management.subcommand import Subcommand, bad_input, operator
from workflows import operations, queries
from workflows.core.definition import JsonValue
from workflows.core.selection import NAMES, Selection, SelectionInvalid, parse
from workflows.core.states import DeadLetterState


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", choices=[state.value for state in DeadLetterState], default="open")
    parser.add_argument("--workflow", default=None)
    parser.add_argument("--limit", type=int, default=50)


def _list(options: argparse.Namespace, console: Console) -> int:
    table = Table("id", "run", "workflow", "step", "kind", "message", "attempts", "since")
    for letter in queries.newest_dead_letters(state=options.state, workflow=options.workflow, limit=options.limit):
        table.add_row(
            str(letter.id),
            str(letter.run_id),
            letter.workflow_name,
            letter.place or "(the run)",
            letter.kind,
            letter.message,
            str(letter.attempts),
            f"{letter.created_at:%Y-%m-%d %H:%M:%S}",
        )
    console.print(table)
    return 0


def _add_requeue(parser: argparse.ArgumentParser) -> None:
    _add_which(parser)
    parser.add_argument("--per-second", type=float, default=None, help="how many go on each second; else all at once")
    parser.add_argument("--payload", default=None, help="one ID only: inputs instead of its own, as JSON")


def _requeue(options: argparse.Namespace, console: Console) -> int:
    selection = _selection(options)
    if options.per_second is not None and not options.per_second > 0:
        raise bad_input("--per-second must be more than 0")
    if selection is not None:
        if options.payload is not None:
            raise bad_input("--payload goes with one ID, not with --filter")
        outcome = operations.requeue_matching(
            selection,
            actor=operator(),
            now=timezone.now(),
            per_second=options.per_second,
            limit=options.limit,
            dry_run=options.dry_run,
        )
        return selecting.tell(outcome, console=console, done="requeued")
    payload = _payload(options)
    for place, dead_letter_id in enumerate(options.ids):
        letter = operations.requeue_dead_letter(
            dead_letter_id=dead_letter_id,
            actor=operator(),
            now=timezone.now(),
            delay_s=0.0 if options.per_second is None else place / options.per_second,
            payload=payload,
        )
        console.print(f"{letter.id} requeued: run {letter.run_id} goes on", highlight=False)
    return 0


def _add_discard(parser: argparse.ArgumentParser) -> None:
    _add_which(parser)
    parser.add_argument("--reason", required=True, help="is written into the audit trail")


def _discard(options: argparse.Namespace, console: Console) -> int:
    selection = _selection(options)
    if selection is not None:
        outcome = operations.discard_matching(
            selection,
            actor=operator(),
            now=timezone.now(),
            reason=options.reason,
            limit=options.limit,
            dry_run=options.dry_run,
        )
        return selecting.tell(outcome, console=console, done="discarded")
    for dead_letter_id in options.ids:
        letter = operations.discard_dead_letter(
            dead_letter_id=dead_letter_id, actor=operator(), now=timezone.now(), reason=options.reason
        )
        console.print(f"{letter.id} discarded", highlight=False)
    return 0


def _add_which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", type=int, metavar="ID")
    selecting.add_filter(parser, instead_of="IDs", all_of="open", names=NAMES)
    parser.add_argument("--dry-run", action="store_true", help="with --filter: count and change nothing")


def _selection(options: argparse.Namespace) -> Selection | None:
    """What `--filter` means; None: single ones were named."""
    if bool(options.filter) == bool(options.ids):
        raise bad_input("name dead letters by ID, or select them with --filter NAME=VALUE")
    if options.ids:
        if options.dry_run:
            raise bad_input("--dry-run goes with --filter")
        return None
    selecting.check_limit(options.limit)
    try:
        return parse(selecting.pairs_of(options.filter))
    except SelectionInvalid as error:
        raise bad_input(f"--filter {error}") from error


def _payload(options: argparse.Namespace) -> JsonValue:
    if options.payload is None:
        return None
    if len(options.ids) != 1:
        raise bad_input("--payload goes with one ID")
    try:
        payload: JsonValue = orjson.loads(options.payload)
    except orjson.JSONDecodeError as error:
        raise bad_input(f"--payload is not JSON: {error}") from error
    return payload


SUBCOMMANDS = (
    Subcommand(name="dead-letters", help="list what ran out of attempts", add_arguments=_add_list, run=_list),
    Subcommand(name="requeue", help="try dead letters again", add_arguments=_add_requeue, run=_requeue),
    Subcommand(name="discard", help="give dead letters up", add_arguments=_add_discard, run=_discard),
)
