"""Reads of what people are asked: by whom, who may answer now, what waits for somebody; they change nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.db.models import F, Q, QuerySet

from workflows.core import asking
from workflows.core.asking import Asking
from workflows.core.voting import Choice, OnExpiry, RequestKind, RequestState, Vote, entitled
from workflows.errors import UnknownPerson, UnknownRequest
from workflows.human_models import HumanAnswer, HumanRequest

_AT_MOST = 200
BADGE_CAP = 100


class Person(NamedTuple):
    """A user who is asked: the id as text, and the name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who is asked for what, as it stands: `given` of `needed`, and some of those who may answer now."""

    request: int
    kind: RequestKind
    title: str
    people: str
    given: int
    needed: int
    may_answer: Sequence[str]
    until: datetime | None
    on_expiry: OnExpiry


def person_of(user: object) -> Person:
    """This will give a user as a person who is asked."""
    assert isinstance(user, AbstractUser), "only users of this site are asked"
    return Person(id=str(user.pk), name=user.get_username())


def get_person(name: str) -> Person:
    """This will find an active user by name. Raises UnknownPerson."""
    user = _users().filter(username=name).first()
    if user is None:
        raise UnknownPerson(name)
    return person_of(user)


def get_request(request_id: int) -> HumanRequest:
    """This will find a request. Raises UnknownRequest."""
    row = HumanRequest.objects.filter(id=request_id).first()
    if row is None:
        raise UnknownRequest(request_id)
    return row


def requests(*, kind: RequestKind, state: str) -> QuerySet[HumanRequest]:
    """This will give requests of a kind and state, the newest first."""
    return HumanRequest.objects.filter(kind=kind, state=state).order_by("-id")


def asking_of(row: HumanRequest) -> Asking:
    """This will read the terms of a request."""
    return asking.read_asking(RequestKind(row.kind), row.terms, title=row.title)


def answers_of(row: HumanRequest) -> Sequence[HumanAnswer]:
    """This will give the answers to a request in their order."""
    return list(HumanAnswer.objects.filter(request=row).order_by("id"))


def votes_of(answers: Collection[HumanAnswer]) -> Sequence[Vote]:
    """This will give answers as the rule counts them."""
    return [Vote(answer.person, Choice(answer.choice), answer.at) for answer in answers]


def may_answer(row: HumanRequest, *, person: Person) -> bool:
    """This will tell whether somebody holds a right to answer at this moment."""
    return person.id in entitled(_asked_among(row, ids=[person.id]), excluded=row.excluded)


def who_may_answer(row: HumanRequest, *, limit: int) -> Sequence[str]:
    """This will name some of those who may answer now and have not, by name."""
    users = _users().filter(_is_asked(row)).order_by("username").distinct()
    found = {str(pk): name for pk, name in users.values_list("pk", "username")[:_AT_MOST]}
    entitled_now = entitled(found, excluded=row.excluded)
    done = set(HumanAnswer.objects.filter(request=row).values_list("person", flat=True))
    return sorted(found[one] for one in entitled_now - done)[:limit]


def inbox(person: Person) -> QuerySet[HumanRequest]:
    """This will give the open requests that wait for an answer of somebody, what ends first before the others."""
    groups = list(_users().filter(pk=person.id).values_list("groups__name", flat=True))
    asked = Q(users__contains=[person.name]) | Q(groups__has_any_keys=[name for name in groups if name])
    rows = HumanRequest.objects.filter(asked, state=RequestState.OPEN)
    return rows.exclude(excluded=person.id).exclude(answers__person=person.id).order_by(*DUE_FIRST)


DUE_FIRST = (F("expires_at").asc(nulls_last=True), "id")
"""What ends first comes first; what never ends comes last."""


def concerning(person: Person) -> QuerySet[HumanRequest]:
    """This will give what somebody is asked, or has answered, whatever has become of it."""
    groups = list(_users().filter(pk=person.id).values_list("groups__name", flat=True))
    asked = Q(users__contains=[person.name]) | Q(groups__has_any_keys=[name for name in groups if name])
    answered = HumanAnswer.objects.filter(person=person.id).values("request_id")
    return HumanRequest.objects.filter(asked | Q(id__in=answered)).order_by("-id")


def inbox_count(person: Person) -> int:
    """This will count what waits for somebody, up to a cap."""
    return inbox(person).order_by()[:BADGE_CAP].count()


def open_of(run_id: UUID) -> Sequence[HumanRequest]:
    """This will give the open requests of a run in their order."""
    return list(HumanRequest.objects.filter(run_id=run_id, state=RequestState.OPEN).order_by("id"))


def asked_by_step(run_id: UUID) -> Mapping[str, Sequence[HumanRequest]]:
    """This will give the open requests of a run by step."""
    found: dict[str, list[HumanRequest]] = {}
    for row in open_of(run_id):
        found.setdefault(row.step, []).append(row)
    return found


def asked(row: HumanRequest, *, limit: int) -> Asked:
    """This will say how a request stands."""
    terms = asking_of(row)
    answers = answers_of(row)
    return Asked(
        request=row.id,
        kind=RequestKind(row.kind),
        title=row.title,
        people=people_text(row),
        given=sum(answer.choice == Choice.APPROVE for answer in answers),
        needed=terms.approvers,
        may_answer=who_may_answer(row, limit=limit),
        until=row.expires_at,
        on_expiry=terms.on_expiry,
    )


def people_text(row: HumanRequest) -> str:
    """This will name who is asked, in one line."""
    named = [*row.users, *(f"group {name}" for name in row.groups)]
    text = ", ".join(named)
    return text if len(text) <= 280 else f"{text[:277]}..."


def unknown_people(*, users: Collection[str], groups: Collection[str]) -> Sequence[str]:
    """This will give what is no active user, or no group, in words."""
    known = set(_users().filter(username__in=users).values_list("username", flat=True))
    there = Group.objects
    known_groups = set(there.filter(name__in=groups).values_list("name", flat=True))
    return [
        *(f"user {name!r}" for name in users if name not in known),
        *(f"group {name!r}" for name in groups if name not in known_groups),
    ]


def _asked_among(row: HumanRequest, *, ids: Collection[str]) -> Sequence[str]:
    users = _users().filter(_is_asked(row), pk__in=[one for one in ids if one.isdecimal()]).distinct()
    return [str(pk) for pk in users.values_list("pk", flat=True)]


def _is_asked(row: HumanRequest) -> Q:
    return Q(username__in=row.users) | Q(groups__name__in=row.groups)


def _users() -> QuerySet[AbstractUser]:
    users: QuerySet[AbstractUser] = get_user_model()._default_manager.filter(is_active=True)
    return users
