"""Reads who people are, and who holds a right to answer what is asked, delegations counted; it changes nothing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db.models import Q, QuerySet

from workflows.core.voting import Delegation, RequestState, entitled, rights
from workflows.human_errors import UnknownPerson
from workflows.human_models import HumanAnswer, HumanDelegation, HumanRequest

AT_MOST = 200
"""How many people of a request are looked at where they are listed."""


class Person(NamedTuple):
    """A user who is asked: the id as text, and the name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class _Member:
    """A user with the groups that user is in now."""

    name: str
    groups: set[str]

    def is_asked(self, row: HumanRequest) -> bool:
        return self.name in row.users or not self.groups.isdisjoint(row.groups)


def person_of(user: object) -> Person:
    """This will give a user as a person who is asked."""
    assert isinstance(user, AbstractUser), "only users of this site are asked"
    return Person(id=str(user.pk), name=user.get_username())


def get_person(name: str) -> Person:
    """This will find an active user by name. Raises UnknownPerson."""
    user = active_users().filter(username=name).first()
    if user is None:
        raise UnknownPerson(name)
    return person_of(user)


def find_active(user_id: str) -> Person | None:
    """This will find an active user by the id as text."""
    user = active_users().filter(pk=user_id).first() if user_id.isdecimal() else None
    return None if user is None else person_of(user)


def find_taker(row: HumanRequest, *, giver: str) -> str:
    """This will name to whom somebody handed the say last; empty: to nobody."""
    latest = HumanDelegation.objects.filter(request=row, giver=giver).order_by("-id").first()
    return "" if latest is None else latest.taker_name


def active_users() -> QuerySet[AbstractUser]:
    """This will give who can be asked at all: active users."""
    found: QuerySet[AbstractUser] = get_user_model()._default_manager.filter(is_active=True)
    return found


def asked_users(row: HumanRequest) -> QuerySet[AbstractUser]:
    """This will give the users a request names, by themselves or by a group, as it is now."""
    return active_users().filter(Q(username__in=row.users) | Q(groups__name__in=row.groups)).distinct()


def delegations_of(row: HumanRequest) -> Sequence[HumanDelegation]:
    """This will give the delegations of a request in their order."""
    return list(HumanDelegation.objects.filter(request=row).order_by("id"))


def as_counted(rows: Iterable[HumanDelegation]) -> Sequence[Delegation]:
    """This will give delegations as the rule counts them."""
    return [Delegation(row.giver, row.taker) for row in rows]


def may_answer(row: HumanRequest, *, person: Person) -> bool:
    """This will tell whether somebody holds a right to answer at this moment."""
    return held(row, person=person) != ()


def held(row: HumanRequest, *, person: Person) -> Sequence[str]:
    """This will name those whose rights somebody holds now, that person's own right first."""
    delegations = as_counted(delegations_of(row))
    members = _members(_involved(delegations) | {person.id})
    found = rights(_asked(row, members), delegations=delegations, excluded=row.starters)
    origins = [origin for origin, holder in found.items() if holder == person.id]
    return tuple(members[one].name for one in sorted(origins, key=lambda one: (one != person.id, members[one].name)))


def open_rights(person: Person) -> Mapping[int, bool]:
    """This will tell of every open request in whose delegations somebody appears, whether that one may answer."""
    own = HumanDelegation.objects.filter(Q(giver=person.id) | Q(taker=person.id)).values("request_id")
    rows = list(HumanRequest.objects.filter(state=RequestState.OPEN, id__in=own))
    return {row_id: person.id in found for row_id, found in _entitled(rows, ids={person.id}).items()}


def claimer_of(row: HumanRequest) -> str:
    """This will name who has a task, as long as that person may do it; empty: nobody."""
    if not row.claimed_by or row.claimed_by not in _entitled([row], ids={row.claimed_by})[row.id]:
        return ""
    return row.claimed_name


def claimed_by_others(rows: QuerySet[HumanRequest], *, person: Person) -> Sequence[int]:
    """This will give those of some requests that somebody else has, who may do it."""
    claimed = list(rows.exclude(claimed_by="").exclude(claimed_by=person.id))
    found = _entitled(claimed, ids={row.claimed_by for row in claimed})
    return [row.id for row in claimed if row.claimed_by in found[row.id]]


def _entitled(rows: Collection[HumanRequest], *, ids: Collection[str]) -> Mapping[int, frozenset[str]]:
    """Who of some people, and of those who delegated, may answer each request; a few queries for all."""
    if not rows:
        return {}
    given: dict[int, list[HumanDelegation]] = defaultdict(list)
    for one in HumanDelegation.objects.filter(request__in=rows).order_by("id"):
        given[one.request_id].append(one)
    counted = {row.id: as_counted(given[row.id]) for row in rows}
    members = _members(set(ids).union(*(_involved(delegations) for delegations in counted.values())))
    return {row.id: entitled(_asked(row, members), delegations=counted[row.id], excluded=row.starters) for row in rows}


def holders_of(row: HumanRequest, *, limit: int | None = None) -> Mapping[str, str]:
    """This will name by id who holds a right now, whether it was used or not; with `limit` of so many who are asked."""
    delegations = as_counted(delegations_of(row))
    asked = asked_users(row).order_by("username").values_list("pk", "username")
    names = {str(pk): name for pk, name in (asked if limit is None else asked[:limit])}
    members = _members(_involved(delegations))
    asked_now = set(names).union(_asked(row, members))
    names |= {pk: member.name for pk, member in members.items()}
    found = entitled(asked_now, delegations=delegations, excluded=row.starters)
    return {pk: names[pk] for pk in found if pk in names}


def who_may_answer(row: HumanRequest, *, limit: int) -> Sequence[str]:
    """This will name some of those who may answer now and have not, by name."""
    return sorted(open_holders(row).values())[:limit]


def open_holders(row: HumanRequest) -> Mapping[str, str]:
    """This will name by id those who may answer now and have not; of the first AT_MOST who are asked.

    Of a task that somebody has, it is that person alone.
    """
    if row.claimed_by and claimer_of(row):
        return {row.claimed_by: row.claimed_name}
    done = set(HumanAnswer.objects.filter(request=row).values_list("person", flat=True))
    return {pk: name for pk, name in holders_of(row, limit=AT_MOST).items() if pk not in done}


def open_people(row: HumanRequest) -> Sequence[Person]:
    """This will give those who may answer now and have not, by name; of the first AT_MOST who are asked."""
    found = sorted(open_holders(row).items(), key=lambda one: one[1])
    return [Person(id=pk, name=name) for pk, name in found]


def mail_addresses(people: Collection[Person]) -> Mapping[str, str]:
    """This will give the mail address of each active user among some people, by id; empty where there is none."""
    numbers = [person.id for person in people if person.id.isdecimal()]
    return {str(pk): email for pk, email in active_users().filter(pk__in=numbers).values_list("pk", "email")}


def _involved(delegations: Iterable[Delegation]) -> set[str]:
    return {person for delegation in delegations for person in delegation}


def _members(ids: Collection[str]) -> Mapping[str, _Member]:
    """Only who is active is a member of anything."""
    numbers = [one for one in ids if one.isdecimal()]
    found: dict[str, _Member] = {}
    rows = active_users().filter(pk__in=numbers).values_list("pk", "username", "groups__name") if numbers else ()
    for pk, name, group in rows:
        found.setdefault(str(pk), _Member(name, set())).groups.add(group)
    return found


def _asked(row: HumanRequest, members: Mapping[str, _Member]) -> Sequence[str]:
    return [pk for pk, member in members.items() if member.is_asked(row)]
