"""Reads of what people are asked: by whom, who may answer now, what waits for somebody; they change nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.db.models.functions import Least

from workflows.core import asking
from workflows.core.asking import Asking
from workflows.core.links import LinkStanding, link_standing
from workflows.core.voting import Choice, OnExpiry, RequestKind, RequestState, Vote, is_over
from workflows.human_errors import UnknownRequest
from workflows.human_models import HumanAnswer, HumanDelegation, HumanLink, HumanRequest
from workflows.human_rights import (
    Person,
    active_users,
    asked_users,
    claimed_by_others,
    claimer_of,
    find_active,
    may_answer,
    open_rights,
    who_may_answer,
)

BADGE_CAP = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who is asked for what, as it stands: `given` of `needed`, and some of those who may answer now.

    `is_reachable` is false where too few people may answer, as of a group without members.
    """

    request: int
    kind: RequestKind
    title: str
    people: str
    given: int
    needed: int
    may_answer: Sequence[str]
    is_reachable: bool
    claimed_by: str
    due_at: datetime | None
    until: datetime | None
    on_expiry: OnExpiry


def get_request(request_id: int) -> HumanRequest:
    """This will find a request. Raises UnknownRequest."""
    row = HumanRequest.objects.filter(id=request_id).first()
    if row is None:
        raise UnknownRequest(request_id)
    return row


def find_link(link_id: UUID) -> HumanLink | None:
    """This will find a one-time link with its request, while that is there."""
    return HumanLink.objects.select_related("request").filter(id=link_id, request__id__isnull=False).first()


def standing_of(link: HumanLink, *, row: HumanRequest, now: datetime) -> LinkStanding:
    """This will say what a link is good for at this moment."""
    person = find_active(link.person)
    return link_standing(
        has_answered=find_answer(row, person=link.person) is not None,
        state=RequestState(row.state),
        is_over=is_over(asking_of(row).rule(begun_at=row.opened_at), at=now),
        is_revoked=link.revoked_at is not None,
        holds_right=person is not None and may_answer(row, person=person),
        is_taken=row.claimed_by not in ("", link.person) and claimer_of(row) != "",
    )


def find_answer(row: HumanRequest, *, person: str) -> HumanAnswer | None:
    """This will find what somebody answered, by the id of the user."""
    return HumanAnswer.objects.filter(request=row, person=person).first()


def requests(*, kind: RequestKind, state: str) -> QuerySet[HumanRequest]:
    """This will give requests of a kind and state, the newest first."""
    return HumanRequest.objects.filter(kind=kind, state=state).order_by("-id")


def asking_of(row: HumanRequest) -> Asking:
    """This will read the terms of a request."""
    return asking.read_asking(RequestKind(row.kind), row.terms, title=row.title)


def answers_of(row: HumanRequest) -> Sequence[HumanAnswer]:
    """This will give the answers to a request in their order."""
    return list(HumanAnswer.objects.filter(request=row).order_by("id"))


def voter(answer: HumanAnswer) -> str:
    """This will name who answered, and for whom."""
    return f"{answer.name} for {', '.join(answer.behalf)}" if answer.behalf else answer.name


def votes_of(answers: Collection[HumanAnswer]) -> Sequence[Vote]:
    """This will give answers as the rule counts them."""
    return [Vote(answer.person, Choice(answer.choice), answer.at) for answer in answers]


def inbox(person: Person) -> QuerySet[HumanRequest]:
    """This will give the open requests that wait for an answer of somebody, what ends first before the others."""
    known = open_rights(person)
    held = [request for request, is_held in known.items() if is_held]
    rows = HumanRequest.objects.filter(
        _asks(person) & ~Q(id__in=list(known)) & ~Q(starters__contains=[person.id]) | Q(id__in=held),
        state=RequestState.OPEN,
    )
    rows = rows.exclude(answers__person=person.id)
    return rows.exclude(id__in=claimed_by_others(rows, person=person)).order_by(*DUE_FIRST)


DUE_FIRST = (Least("due_at", "expires_at").asc(nulls_last=True), "id")
"""What is due or ends first comes first; what never is comes last."""


def concerning(person: Person) -> QuerySet[HumanRequest]:
    """This will give what somebody is asked, has answered or had to do with, whatever has become of it."""
    answered = HumanAnswer.objects.filter(person=person.id).values("request_id")
    handed = HumanDelegation.objects.filter(Q(giver=person.id) | Q(taker=person.id)).values("request_id")
    return HumanRequest.objects.filter(_asks(person) | Q(id__in=answered) | Q(id__in=handed)).order_by("-id")


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
    given = sum(answer.choice != Choice.REJECT for answer in answers)
    open_to = who_may_answer(row, limit=max(limit, terms.approvers))
    return Asked(
        request=row.id,
        kind=RequestKind(row.kind),
        title=row.title,
        people=people_text(row),
        given=given,
        needed=terms.approvers,
        may_answer=open_to[:limit],
        is_reachable=given + len(open_to) >= terms.approvers,
        claimed_by=claimer_of(row),
        due_at=row.due_at,
        until=row.expires_at,
        on_expiry=terms.on_expiry,
    )


def out_of_reach(*, limit: int) -> Sequence[HumanRequest]:
    """This will give open requests that too few people may answer, of the `limit` that have waited longest.

    Equal groups and users are looked up once.
    """
    counts: dict[tuple[object, ...], int] = {}
    found = []
    for row in HumanRequest.objects.filter(state=RequestState.OPEN).order_by("id")[:limit]:
        key = (*row.users, None, *row.groups, None, *row.starters)
        if key not in counts:
            counts[key] = len(
                {str(pk) for pk in asked_users(row).values_list("pk", flat=True)}.difference(row.starters)
            )
        if counts[key] < asking_of(row).approvers and not asked(row, limit=0).is_reachable:
            found.append(row)
    return found


def people_text(row: HumanRequest) -> str:
    """This will name who is asked, in one line."""
    named = [*row.users, *(f"group {name}" for name in row.groups)]
    text = ", ".join(named)
    return text if len(text) <= 280 else f"{text[:277]}..."


def unknown_people(*, users: Collection[str], groups: Collection[str]) -> Sequence[str]:
    """This will give what is no active user, or no group, in words."""
    known = set(active_users().filter(username__in=users).values_list("username", flat=True))
    there = Group.objects
    known_groups = set(there.filter(name__in=groups).values_list("name", flat=True))
    return [
        *(f"user {name!r}" for name in users if name not in known),
        *(f"group {name!r}" for name in groups if name not in known_groups),
    ]


def _asks(person: Person) -> Q:
    groups = list(active_users().filter(pk=person.id).values_list("groups__name", flat=True))
    return Q(users__contains=[person.name]) | Q(groups__has_any_keys=[name for name in groups if name])
