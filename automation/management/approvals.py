"""Lists and shows what people are asked, and speaks for users; the audit names the account and the user."""

import argparse
from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import islice

import orjson
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automation.management.subcommand import Subcommand, bad_input, operator
from workflows import human_queries, human_rights, operations
from workflows.core.definition import JsonObject
from workflows.core.voting import Choice, RequestKind, RequestState

_LISTED = 50
_SHOWN = 20


def _add_approvals(parser: argparse.ArgumentParser) -> None:
    actions = _add_common(parser, noun=RequestKind.APPROVAL)
    decide = _add_action(actions, "decide", help_text="bring the decision of a user", who="whose decision it is")
    decide.add_argument("decision", choices=[Choice.APPROVE.value, Choice.REJECT.value])
    _add_answer(decide)


def _add_tasks(parser: argparse.ArgumentParser) -> None:
    actions = _add_common(parser, noun=RequestKind.TASK)
    _add_action(actions, "claim", help_text="have a user take a task", who="who takes it")
    _add_action(actions, "unclaim", help_text="have a user give a task back", who="who gives it back")
    done = _add_action(actions, "complete", help_text="say for a user that a task is done", who="who has done it")
    _add_answer(done)


def _add_common(
    parser: argparse.ArgumentParser, *, noun: RequestKind
) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="what is asked, the newest first")
    listed.add_argument("--state", choices=[state.value for state in RequestState], default="open")
    listed.add_argument("--user", default=None, help="only what waits for this user")
    shown = actions.add_parser("show", help=f"one {noun} with what people see, and their answers")
    shown.add_argument("id", type=int)
    delegate = _add_action(
        actions, "delegate", help_text="hand the say of a user to another user", who="who hands it over"
    )
    delegate.add_argument("--to", required=True, help="the user who answers instead")
    delegate.add_argument("--reason", default="")
    _add_action(
        actions,
        "link",
        help_text="print the address at which a user answers once, without signing in",
        who="who answers by it: whoever has the address does",
    )
    return actions


def _add_action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, *, help_text: str, who: str
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=help_text)
    action.add_argument("id", type=int)
    action.add_argument("--as-user", required=True, help=f"{who}; the audit names your account, too")
    return action


def _add_answer(action: argparse.ArgumentParser) -> None:
    action.add_argument("--comment", default="")
    action.add_argument("--form", default=None, metavar="JSON", help="what the form asks for")


def _perform(options: argparse.Namespace, console: Console, *, kind: RequestKind) -> int:
    match options.action:
        case "show":
            return _show(options, console, kind=kind)
        case "delegate":
            return _delegate(options, console)
        case "link":
            return _link(options, console)
        case "decide":
            return _answer(options, console, choice=Choice(options.decision))
        case "complete":
            return _answer(options, console, choice=Choice.COMPLETE)
        case "claim":
            return _move(options, console, by=operations.claim, told="is taken by")
        case "unclaim":
            return _move(options, console, by=operations.unclaim, told="was given back by")
        case _:
            return _list(options, console, kind=kind)


def _list(options: argparse.Namespace, console: Console, *, kind: RequestKind) -> int:
    rows = human_queries.requests(kind=kind, state=options.state)
    if options.user is not None:
        waiting = human_queries.inbox(human_rights.get_person(options.user))
        rows = rows.filter(id__in=waiting.order_by().values("id"))
    is_task = kind is RequestKind.TASK
    ends = ("taken by", "due") if is_task else ("since", "until")
    table = Table(kind.value, "title", "workflow", "step", "asked are", *ends, "state")
    for row in islice(rows, _LISTED):
        table.add_row(
            str(row.id),
            escape(row.title),
            row.workflow_name,
            row.step,
            escape(human_queries.people_text(row)),
            escape(row.claimed_name) if is_task else _minute(row.opened_at),
            _minute(row.due_at if is_task else row.expires_at),
            row.state,
        )
    console.print(table)
    return 0


def _show(options: argparse.Namespace, console: Console, *, kind: RequestKind) -> int:
    row = human_queries.get_request(options.id)
    if row.kind != kind:
        raise bad_input(f"{row.id} is the number of an {row.kind}: see `automation {row.kind}s show {row.id}`")
    asked = human_queries.asked(row, limit=_SHOWN)
    lines = [
        f"{row} ({row.state}), step {row.step} of run {row.run_id}",
        row.description,
        "" if row.show is None else f"show: {orjson.dumps(row.show).decode()}",
        "" if row.form is None else f"form: {orjson.dumps(row.form).decode()}",
        f"{asked.given} of {asked.needed} given; asked are {asked.people}",
        f"may answer: {', '.join(asked.may_answer) or 'nobody'}" if row.state == RequestState.OPEN else "",
        f"taken by {row.claimed_name} at {_clock(row.claimed_at)}" if row.claimed_at else "",
        "" if asked.due_at is None else f"due {_clock(asked.due_at)}",
        "" if asked.until is None else f"until {_clock(asked.until)}, else {asked.on_expiry}",
        f"digest of what people see: {row.digest}",
    ]
    for one in human_rights.delegations_of(row):
        lines.append(f"{_clock(one.at)} {one.giver_name} handed the say to {one.taker_name} {one.reason}".rstrip())
    for answer in human_queries.answers_of(row):
        told = f"{human_queries.voter(answer)}: {answer.choice} {answer.comment}"
        lines.append(f"{_clock(answer.at)} {told}".rstrip())
    console.print("\n".join(line for line in lines if line), highlight=False, markup=False)
    return 0


def _move(options: argparse.Namespace, console: Console, *, by: Callable[..., tuple[object, bool]], told: str) -> int:
    person = human_rights.get_person(options.as_user)
    row, is_new = by(request_id=options.id, person=person, actor=operator(), now=timezone.now())
    console.print(f"{row} {told} {person.name}" if is_new else f"{row}: nothing to change", markup=False)
    return 0


def _link(options: argparse.Namespace, console: Console) -> int:
    person = human_rights.get_person(options.as_user)
    _, url = operations.make_link(request_id=options.id, person=person, actor=operator(), now=timezone.now())
    console.print(url, markup=False, highlight=False, soft_wrap=True)
    return 0


def _delegate(options: argparse.Namespace, console: Console) -> int:
    taker = human_rights.get_person(options.to)
    row, is_new = operations.delegate(
        request_id=options.id,
        giver=human_rights.get_person(options.as_user),
        given=operations.Handover(taker=taker, reason=options.reason, via="command"),
        actor=operator(),
        now=timezone.now(),
    )
    told = "went" if is_new else "has gone before"
    console.print(f"{row}: the say of {options.as_user} {told} to {options.to}", markup=False)
    return 0


def _answer(options: argparse.Namespace, console: Console, *, choice: Choice) -> int:
    given = operations.Answer(choice=choice, comment=options.comment, form=_form(options.form), via="command")
    row, is_new = operations.answer(
        request_id=options.id,
        person=human_rights.get_person(options.as_user),
        given=given,
        actor=operator(),
        now=timezone.now(),
    )
    told = "counted" if is_new else "was given before"
    console.print(f"{row}: {choice} of {options.as_user} {told}; it is {row.state}", markup=False)
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


def _minute(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M}"


def _clock(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"


SUBCOMMANDS = (
    Subcommand(
        name="approvals",
        help="list and show approvals; decide or delegate for a user",
        add_arguments=_add_approvals,
        run=partial(_perform, kind=RequestKind.APPROVAL),
    ),
    Subcommand(
        name="tasks",
        help="list and show manual tasks; claim, complete or delegate for a user",
        add_arguments=_add_tasks,
        run=partial(_perform, kind=RequestKind.TASK),
    ),
)
