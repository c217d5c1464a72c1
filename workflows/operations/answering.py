"""Takes the answers of people: once each, while the request is open, and only of those who are asked at that moment.

The row of the request is locked first, so that answers, the expiry and a cancel come one after the other.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from django.db import transaction

from audit import operations as audit
from audit.events import Actor
from workflows import human_queries
from workflows.core.definition import JsonObject
from workflows.core.problems import Problem
from workflows.core.storable import readable
from workflows.core.voting import CHOICES, Choice, RequestKind, RequestState, decide
from workflows.human_errors import AlreadyAnswered, AnswerInvalid
from workflows.human_models import HumanAnswer, HumanRequest
from workflows.human_rights import Person
from workflows.operations import requests, waking
from workflows.operations.request_events import Happened, event_of
from workflows.schema import Schema

_LONGEST_COMMENT = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody answers; `form` goes with what says yes. `via` is the way by which it came."""

    choice: Choice
    comment: str = ""
    form: JsonObject | None = None
    via: str


def answer(*, request_id: int, person: Person, given: Answer, actor: Actor, now: datetime) -> tuple[HumanRequest, bool]:
    """This will count the answer of a person, and end the request when it decides; gives whether it is new.

    The same answer again changes nothing. Raises UnknownRequest, RequestClosed, AlreadyAnswered, NotAsked,
    AnswerInvalid.
    """
    with transaction.atomic():
        row = requests.lock(request_id)
        own = HumanAnswer.objects.filter(request=row, person=person.id).first()
        if own is not None and own.choice == given.choice:
            return row, False
        requests.require_open(row, now=now)
        if own is not None:
            raise AlreadyAnswered(request_id=row.id, name=own.name, choice=own.choice)
        held = requests.require_right(row, person=person)
        requests.require_claim(row, person=person)
        form = _checked_form(row, given=given)
        _write(row, person=person, given=given, form=form, behalf=held, actor=actor, now=now)
        answers = human_queries.answers_of(row)
        rule = human_queries.asking_of(row).rule(begun_at=row.opened_at)
        state = decide(rule, votes=human_queries.votes_of(answers), now=now)
        if state is not RequestState.OPEN:
            requests.close(row, state=state, actor=actor, at=now, by=[one.name for one in answers])
            waking.wake(run_id=row.run_id, step=row.step, index=row.index)
    return row, True


def _checked_form(row: HumanRequest, *, given: Answer) -> JsonObject | None:
    """A form goes with an approval; who rejects says why in the comment."""
    if len(given.comment) > _LONGEST_COMMENT:
        raise AnswerInvalid([Problem("$.comment", f"is longer than {_LONGEST_COMMENT} characters")])
    choices = CHOICES[RequestKind(row.kind)]
    if given.choice not in choices:
        raise AnswerInvalid([Problem("$.choice", f"must be {' or '.join(choices)}: this is {row.kind} {row.id}")])
    if given.choice is Choice.REJECT:
        return None
    if row.form is None:
        if given.form:
            raise AnswerInvalid([Problem("$.form", "this request has no form", "leave it out")])
        return None
    form = {} if given.form is None else given.form
    problems = Schema(row.form).problems(form, at="$.form")
    if problems:
        raise AnswerInvalid(problems)
    return form


def _write(
    row: HumanRequest,
    *,
    person: Person,
    given: Answer,
    form: JsonObject | None,
    behalf: Sequence[str],
    actor: Actor,
    now: datetime,
) -> None:
    others = [name for name in behalf if name != person.name]
    HumanAnswer.objects.create(
        request=row,
        run_id=row.run_id,
        person=person.id,
        name=person.name,
        choice=given.choice,
        comment=readable(given.comment.strip()),
        behalf=others,
        form=form,
        digest=row.digest,
        actor=str(actor),
        via=given.via,
        at=now,
    )
    told: dict[str, object] = {
        "choice": given.choice.value,
        "person": person.id,
        "name": person.name,
        "via": given.via,
        "comment": readable(given.comment.strip()),
    }
    if others:
        told["behalf"] = others
    if form is not None:
        told["form_digest"] = hashlib.sha256(orjson.dumps(form, option=orjson.OPT_SORT_KEYS)).hexdigest()
    audit.record(event_of(row, happened=Happened.ANSWERED, actor=actor, at=now, **told))
