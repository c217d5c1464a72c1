"""The rows of one-time links: found or made for one person, ended by a delegation; it hands out no address.

The request is locked by whoever calls.
"""

from datetime import datetime

from audit import operations as audit
from audit.events import Actor
from workflows.human_models import HumanLink, HumanRequest
from workflows.human_rights import Person
from workflows.operations.request_events import ENGINE, Happened, event_of

PATH = "/answer/"
"""Where the page of a link is; its token follows."""


def link_for(row: HumanRequest, *, person: Person, now: datetime, actor: Actor = ENGINE) -> HumanLink:
    """This will find or make the link of a person to a request."""
    found = HumanLink.objects.filter(request=row, person=person.id, revoked_at=None).first()
    if found is not None:
        return found
    link = HumanLink.objects.create(request=row, run_id=row.run_id, person=person.id, name=person.name, made_at=now)
    told = {"person": person.id, "name": person.name}
    audit.record(event_of(row, happened=Happened.LINK_MADE, actor=actor, at=now, **told))
    return link


def mark_of(link: HumanLink) -> str:
    """This will give what stands for the link in a text, until the text is sent."""
    return f"[[signed:{PATH}{link.id}]]"


def revoke(row: HumanRequest, *, person: Person, now: datetime) -> None:
    """This will end the link of a person, if there is one."""
    HumanLink.objects.filter(request=row, person=person.id, revoked_at=None).update(revoked_at=now)
