"""Steps that ask people: each look opens the request, lets its time pass, or gives what it has come to.

What people see is evaluated when the request is opened and kept; later looks only read it. Lock order: the request,
then activations. See docs/adr/0026-people-are-asked-by-rows.md.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

import orjson
from django.db import IntegrityError, transaction

from audit import operations as audit
from integrations.notifications import channels
from workflows import human_queries, human_rights
from workflows.core.asking import SCHEMAS, Asking, AskingInvalid, Escalation, read_asking
from workflows.core.definition import JsonObject
from workflows.core.outcome import Failed, Parked
from workflows.core.states import FailureKind, WaitReason
from workflows.core.telling import Occasion
from workflows.core.voting import RequestKind, RequestState, decide
from workflows.core.waiting_kinds import Stay
from workflows.human_models import HumanRequest
from workflows.operations import requests, telling
from workflows.operations.request_events import ENGINE, Happened, event_of
from workflows.operations.subjects import Closing
from workflows.schema import Schema, schema_problems
from workflows.starters import starters_of

_REASONS: Mapping[RequestKind, WaitReason] = {
    RequestKind.APPROVAL: WaitReason.APPROVAL,
    RequestKind.TASK: WaitReason.TASK,
}
_SEEN = ("show", "form", "title", "description")


def ask_for_approval(stay: Stay) -> JsonObject | Failed | Parked:
    """This will give the decision about an approval, or park until somebody answers or its time has come."""
    return _look(stay, kind=RequestKind.APPROVAL)


def ask_for_work(stay: Stay) -> JsonObject | Failed | Parked:
    """This will give what somebody has done, or park until somebody says so or its time has come."""
    return _look(stay, kind=RequestKind.TASK)


def withdraw(closing: Closing) -> None:
    """This will close the open requests of steps whose run ends, or which begin anew."""
    rows = HumanRequest.objects.select_for_update().filter(
        run_id=closing.run_id, step__in=closing.steps, state=RequestState.OPEN
    )
    if closing.index is not None:
        rows = rows.filter(index=closing.index)
    for row in rows.order_by("id"):
        cause = closing.cause.value
        requests.close(row, state=RequestState.WITHDRAWN, actor=closing.actor, at=closing.now, reason=cause)


def _look(stay: Stay, *, kind: RequestKind) -> JsonObject | Failed | Parked:
    try:
        with transaction.atomic():
            row = _find(stay) or _open(stay, kind=kind)
            if row.state == RequestState.OPEN:
                _let_pass(row, stay=stay)
    except AskingInvalid as error:
        return Failed(kind=FailureKind.REFUSED, message=str(error), payload=stay.inputs)
    if row.state != RequestState.OPEN:
        return requests.result_of(row)
    until = human_queries.asking_of(row).next_instant(begun_at=stay.begun_at, now=stay.now)
    return Parked(reason=_REASONS[kind], object=human_queries.people_text(row), until=until)


def _find(stay: Stay) -> HumanRequest | None:
    rows = HumanRequest.objects.select_for_update().filter(run_id=stay.run_id, step=stay.step, round=stay.round)
    rows = rows.filter(index__isnull=True) if stay.index is None else rows.filter(index=stay.index)
    return rows.exclude(state=RequestState.WITHDRAWN).first()


def _open(stay: Stay, *, kind: RequestKind) -> HumanRequest:
    asking = _checked(stay, kind=kind)
    row = HumanRequest(
        kind=kind,
        run_id=stay.run_id,
        workflow_name=stay.workflow_name,
        step=stay.step,
        index=stay.index,
        round=stay.round,
        correlation_id=stay.correlation_id,
        title=asking.title,
        description=asking.description,
        show=asking.show,
        form=asking.form,
        digest=_digest(asking),
        terms={key: value for key, value in stay.inputs.items() if key not in _SEEN},
        users=asking.users,
        groups=asking.groups,
        starters=[] if asking.allows_self else starters_of(stay.run_id),
        opened_at=stay.begun_at,
        expires_at=asking.expires_at(begun_at=stay.begun_at),
        due_at=asking.due_at(begun_at=stay.begun_at),
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:  # another worker looked at the same moment
        found = _find(stay)
        assert found is not None, "it exists: that is what was refused"
        return found
    told = {"people": human_queries.people_text(row), "approvers": asking.approvers, "title": row.title}
    audit.record(event_of(row, happened=Happened.REQUESTED, actor=ENGINE, at=stay.now, **told))
    telling.tell(row, occasion=Occasion.OPENED, now=stay.now)
    return row


def _checked(stay: Stay, *, kind: RequestKind) -> Asking:
    """A `with` that was computed is checked when its values are known. Raises AskingInvalid."""
    problems = _schema(kind).problems(stay.inputs, at="with")
    form = stay.inputs.get("form")
    if isinstance(form, dict):
        problems = [*problems, *schema_problems(form, at="with.form")]
    if problems:
        raise AskingInvalid("; ".join(f"{problem.path}: {problem.message}" for problem in problems)[:1000])
    asking = read_asking(kind, stay.inputs, title=f"{stay.workflow_name}: {stay.step}")
    named: list[Asking | Escalation] = [asking, *asking.escalations]
    unknown = human_queries.unknown_people(
        users=[name for one in named for name in one.users], groups=[name for one in named for name in one.groups]
    )
    if unknown:
        raise AskingInvalid(f"nobody can be asked who is not there: there is no {', no '.join(unknown)}"[:1000])
    unreachable = [
        problem
        for one in asking.notices
        if one.recipient is not None
        and (problem := channels.problem_with(channel=one.channel, recipient=one.recipient)) is not None
    ]
    if unreachable:
        raise AskingInvalid(f"`notify`: {'; '.join(unreachable)}"[:1000])
    if not asking.users and not asking.groups:
        raise AskingInvalid("nobody is asked: `users` and `groups` are empty")
    return asking


def _let_pass(row: HumanRequest, *, stay: Stay) -> None:
    """Ask more people whose turn has come, or end it when its time is over; the step's clock counts."""
    asking = human_queries.asking_of(row)
    if row.opened_at != stay.begun_at:
        row.opened_at, row.expires_at = stay.begun_at, asking.expires_at(begun_at=stay.begun_at)
        row.due_at = asking.due_at(begun_at=stay.begun_at)
        row.save(update_fields=["opened_at", "expires_at", "due_at"])
    votes = human_queries.votes_of(human_queries.answers_of(row))
    state = decide(asking.rule(begun_at=stay.begun_at), votes=votes, now=stay.now)
    if state is not RequestState.OPEN:
        requests.close(row, state=state, actor=ENGINE, at=stay.now, on_expiry=asking.on_expiry.value)
        return
    due = asking.due_escalations(begun_at=stay.begun_at, now=stay.now)
    for one in asking.escalations[row.escalated : due]:
        _escalate(row, to=one, stay=stay)
    _mark_overdue(row, now=stay.now)
    _remind(row, due=asking.due_reminders(begun_at=stay.begun_at, now=stay.now), now=stay.now)


def _mark_overdue(row: HumanRequest, *, now: datetime) -> None:
    if row.due_at is not None and row.overdue_at is None and now >= row.due_at:
        row.overdue_at = now
        row.save(update_fields=["overdue_at"])
        told = {"due_at": row.due_at.isoformat(), "claimed_by": row.claimed_name}
        audit.record(event_of(row, happened=Happened.OVERDUE, actor=ENGINE, at=now, **told))
        telling.tell(row, occasion=Occasion.OVERDUE, now=now)


def _remind(row: HumanRequest, *, due: int, now: datetime) -> None:
    """Several that came due while nobody looked are one."""
    if due > row.reminded:
        row.reminded = due
        row.save(update_fields=["reminded"])
        telling.tell(row, occasion=Occasion.REMINDED, number=due, now=now)


def _escalate(row: HumanRequest, *, to: Escalation, stay: Stay) -> None:
    tells = bool(human_queries.asking_of(row).notices)
    before = set(human_rights.open_people(row)) if tells else set()
    row.users = list(dict.fromkeys([*row.users, *to.users]))
    row.groups = list(dict.fromkeys([*row.groups, *to.groups]))
    row.escalated += 1
    row.save(update_fields=["users", "groups", "escalated"])
    told = {"users": list(to.users), "groups": list(to.groups), "number": row.escalated}
    audit.record(event_of(row, happened=Happened.ESCALATED, actor=ENGINE, at=stay.now, **told))
    if tells:
        asked = [one for one in human_rights.open_people(row) if one not in before]
        telling.tell(row, occasion=Occasion.ESCALATED, people=asked, number=row.escalated, now=stay.now)


def _digest(asking: Asking) -> str:
    seen = {"title": asking.title, "description": asking.description, "show": asking.show, "form": asking.form}
    return hashlib.sha256(orjson.dumps(seen, option=orjson.OPT_SORT_KEYS)).hexdigest()


@lru_cache(maxsize=4)
def _schema(kind: RequestKind) -> Schema:
    return Schema(SCHEMAS[kind])
