"""Lists and shows what people are asked, and brings their decisions; the audit names the account and the user."""

import argparse
from itertools import islice

import orjson
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automation.management.subcommand import Subcommand, bad_input, operator
from workflows import human_queries, operations
from workflows.core.definition import JsonObject
from workflows.core.voting import Choice, RequestKind, RequestState

_LISTED = 50
_SHOWN = 20


def _add_approvals(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="what is asked, the newest first")
    listed.add_argument("--state", choices=[state.value for state in RequestState], default="open")
    listed.add_argument("--user", default=None, help="only what waits for this user")
    shown = actions.add_parser("show", help="one approval with what people see, and their answers")
    shown.add_argument("id", type=int)
    decide = actions.add_parser("decide", help="bring the decision of a user")
    decide.add_argument("id", type=int)
    decide.add_argument("decision", choices=[Choice.APPROVE.value, Choice.REJECT.value])
    decide.add_argument("--as-user", required=True, help="whose decision it is; the audit names your account, too")
    decide.add_argument("--comment", default="")
    decide.add_argument("--form", default=None, metavar="JSON", help="what the form of the approval asks for")


def _approvals(options: argparse.Namespace, console: Console) -> int:
    match options.action:
        case "show":
            return _show(options, console)
        case "decide":
            return _decide(options, console)
        case _:
            return _list(options, console)


def _list(options: argparse.Namespace, console: Console) -> int:
    rows = human_queries.requests(kind=RequestKind.APPROVAL, state=options.state)
    if options.user is not None:
        waiting = human_queries.inbox(human_queries.get_person(options.user))
        rows = rows.filter(id__in=waiting.order_by().values("id"))
    table = Table("approval", "title", "workflow", "step", "asked are", "since", "until", "state")
    for row in islice(rows, _LISTED):
        table.add_row(
            str(row.id),
            escape(row.title),
            row.workflow_name,
            row.step,
            escape(human_queries.people_text(row)),
            f"{row.opened_at:%Y-%m-%d %H:%M}",
            "" if row.expires_at is None else f"{row.expires_at:%Y-%m-%d %H:%M}",
            row.state,
        )
    console.print(table)
    return 0


def _show(options: argparse.Namespace, console: Console) -> int:
    row = human_queries.get_request(options.id)
    asked = human_queries.asked(row, limit=_SHOWN)
    lines = [
        f"{row} ({row.state}), step {row.step} of run {row.run_id}",
        row.description,
        "" if row.show is None else f"show: {orjson.dumps(row.show).decode()}",
        "" if row.form is None else f"form: {orjson.dumps(row.form).decode()}",
        f"{asked.given} of {asked.needed} given; asked are {asked.people}",
        f"may answer: {', '.join(asked.may_answer) or 'nobody'}" if row.state == RequestState.OPEN else "",
        "" if asked.until is None else f"until {asked.until:%Y-%m-%d %H:%M:%S}, else {asked.on_expiry}",
        f"digest of what people see: {row.digest}",
    ]
    for answer in human_queries.answers_of(row):
        lines.append(f"{answer.at:%Y-%m-%d %H:%M:%S} {answer.name}: {answer.choice} {answer.comment}".rstrip())
    console.print("\n".join(line for line in lines if line), highlight=False, markup=False)
    return 0


def _decide(options: argparse.Namespace, console: Console) -> int:
    given = operations.Answer(
        choice=Choice(options.decision), comment=options.comment, form=_form(options.form), via="command"
    )
    row, is_new = operations.answer(
        request_id=options.id,
        person=human_queries.get_person(options.as_user),
        given=given,
        actor=operator(),
        now=timezone.now(),
    )
    told = "counted" if is_new else "was given before"
    console.print(f"{row}: {options.decision} of {options.as_user} {told}; it is {row.state}", markup=False)
    return 0


def _form(text: str | None) -> JsonObject | None:
    if text is None:
        return None
    try:
        value = orjson.loads(text)
    except ValueError as error:
        raise bad_input(f"--form is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise bad_input("--form must be a JSON object")
    return value


SUBCOMMANDS = (
    Subcommand(
        name="approvals",
        help="list and show approvals; decide for a user",
        add_arguments=_add_approvals,
        run=_approvals,
    ),
)
