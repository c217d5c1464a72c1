"""Lists what ran out of attempts, and tries it again or gives it up."""

import argparse

from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.management.subcommand import Subcommand, operator
from workflows import operations, queries
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
            letter.step if letter.index is None else f"{letter.step}[{letter.index}]",
            letter.kind,
            letter.message,
            str(letter.attempts),
            f"{letter.created_at:%Y-%m-%d %H:%M:%S}",
        )
    console.print(table)
    return 0


def _add_requeue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", type=int, metavar="ID")


def _requeue(options: argparse.Namespace, console: Console) -> int:
    for dead_letter_id in options.ids:
        letter = operations.requeue_dead_letter(dead_letter_id=dead_letter_id, actor=operator(), now=timezone.now())
        console.print(f"{letter.id} requeued: run {letter.run_id} goes on", highlight=False)
    return 0


def _add_discard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=int, metavar="ID")
    parser.add_argument("--reason", required=True, help="is written into the audit trail")


def _discard(options: argparse.Namespace, console: Console) -> int:
    letter = operations.discard_dead_letter(
        dead_letter_id=options.id, actor=operator(), now=timezone.now(), reason=options.reason
    )
    console.print(f"{letter.id} discarded", highlight=False)
    return 0


SUBCOMMANDS = (
    Subcommand(name="dead-letters", help="list what ran out of attempts", add_arguments=_add_list, run=_list),
    Subcommand(name="requeue", help="try dead letters again", add_arguments=_add_requeue, run=_requeue),
    Subcommand(name="discard", help="give a dead letter up", add_arguments=_add_discard, run=_discard),
)
