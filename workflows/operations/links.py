"""One-time links: whoever has one answers for the person it was made for, without signing in; revoked when handed over.

A link belongs to one person and one request, and so to one round of its step. Nothing here holds a working address:
it is signed when it is sent or shown. Locks: the request, then its links.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit.events import Actor, ActorKind
from integrations.notifications import addresses
from workflows import human_rights
from workflows.human_errors import LinkRevoked, NotAsked, UnknownLink
from workflows.human_models import HumanLink, HumanRequest
from workflows.human_rights import Person
from workflows.operations import link_rows, requests
from workflows.operations.answering import Answer, answer

VIA = "link"


def make_link(*, request_id: int, person: Person, actor: Actor, now: datetime) -> tuple[HumanRequest, str]:
    """This will give the address at which a person answers a request, the same one each time.

    It is a secret: whoever has it answers for that person. Raises UnknownRequest, RequestClosed, NotAsked.
    """
    with transaction.atomic():
        row = requests.lock(request_id)
        requests.require_open(row, now=now)
        requests.require_right(row, person=person)
        mark = link_rows.mark_of(link_rows.link_for(row, person=person, actor=actor, now=now))
    return row, addresses.filled(mark)


def answer_by_link(*, link_id: UUID, given: Answer, now: datetime) -> tuple[HumanRequest, bool]:
    """This will count an answer as that of the person a link was made for, and spend the link with it.

    The same answer again changes nothing. Raises UnknownLink, LinkRevoked, and what `answer` raises.
    """
    with transaction.atomic():
        link = HumanLink.objects.filter(id=link_id).first()
        if link is None:
            raise UnknownLink
        requests.lock(link.request_id)
        link.refresh_from_db()
        person = human_rights.find_active(link.person)
        if link.revoked_at is not None:
            raise LinkRevoked(link.name)
        if person is None:
            raise NotAsked(request_id=link.request_id, name=link.name, why="the account is not active")
        actor = Actor(kind=ActorKind.USER, id=person.id)
        row, is_new = answer(request_id=link.request_id, person=person, given=given, actor=actor, now=now)
        if is_new:
            HumanLink.objects.filter(id=link.id).update(used_at=now)
    return row, is_new
