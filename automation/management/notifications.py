"""Shows notifications and sends those again that were given up; tries a channel."""

import argparse
from itertools import islice
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.management.subcommand import Subcommand, bad_input, operator
from integrations import queries
from integrations.notifications import channels, outbox
from integrations.notifications.contract import Message, NotificationState

_LISTED = 50


def _add_notifications(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=False)
    listed = actions.add_parser("list", help="the latest notifications")
    listed.add_argument("--state", choices=[state.value for state in NotificationState], default="")
    again = actions.add_parser("retry", help="send dead notifications again")
    again.add_argument("id", nargs="*", help="which ones; none: all that are dead")
    test = actions.add_parser("test", help="send a notification to see whether a channel works")
    test.add_argument("channel", help="mail, webhook, log or one of your own")
    test.add_argument("recipient")


def _notifications(options: argparse.Namespace, console: Console) -> int:
    match options.action:
        case "retry":
            return _retry(options, console)
        case "test":
            return _test(options, console)
        case _:
            return _list(getattr(options, "state", ""), console)


def _list(state: str, console: Console) -> int:
    table = Table("notification", "state", "channel", "recipient", "subject", "attempts", "created", "error")
    for row in islice(queries.notifications(state=state), _LISTED):
        table.add_row(
            str(row.id),
            row.state,
            row.channel,
            row.recipient,
            row.subject,
            str(row.attempts),
            f"{row.created_at:%Y-%m-%d %H:%M}",
            row.error[:80],
        )
    console.print(table)
    return 0


def _retry(options: argparse.Namespace, console: Console) -> int:
    ids = [_id(text) for text in options.id]
    if not ids:
        ids = list(queries.notifications(state=NotificationState.DEAD).values_list("id", flat=True))
    for one in ids:
        outbox.send_again(notification_id=one, actor=operator(), now=timezone.now())
    console.print(f"{len(ids)} notifications are due again", highlight=False)
    return 0


def _test(options: argparse.Namespace, console: Console) -> int:
    problem = channels.problem_with(channel=options.channel, recipient=options.recipient)
    if problem is not None:
        raise bad_input(problem)
    message = Message(
        channel=options.channel,
        recipient=options.recipient,
        subject="Test of a notification",
        text="Whoever reads this is reached by the automation engine: [[page:/admin/]]",
        key=f"test:{uuid4()}",
    )
    with transaction.atomic():
        outbox.notify([message], actor=operator(), now=timezone.now())
    console.print("written; the scheduler sends it: see `automation notifications`", highlight=False)
    return 0


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise bad_input(f"{text!r} is no id of a notification: `automation notifications` lists them") from None


SUBCOMMANDS = (
    Subcommand(
        name="notifications",
        help="list notifications; retry dead ones, test a channel",
        add_arguments=_add_notifications,
        run=_notifications,
    ),
)
