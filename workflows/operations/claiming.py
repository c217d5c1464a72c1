"""Manual tasks are taken and given back: one person has one, as long as that person may do it.

The row of the request is locked first.
"""

from datetime import datetime

from django.db import transaction

from audit import operations as audit
from audit.events import Actor
from workflows.core.voting import RequestKind
from workflows.human_errors import ClaimRefused
from workflows.human_models import HumanRequest
from workflows.human_rights import Person
from workflows.operations import requests
from workflows.operations.request_events import Happened, event_of


def claim(*, request_id: int, person: Person, actor: Actor, now: datetime) -> tuple[HumanRequest, bool]:
    """This will have a person take a task, so that nobody else does it; gives whether that is new.

    Raises UnknownRequest, RequestClosed, NotAsked, ClaimRefused while somebody else has it.
    """
    with transaction.atomic():
        row = _locked(request_id)
        requests.require_open(row, now=now)
        requests.require_right(row, person=person)
        requests.require_claim(row, person=person)
        if row.claimed_by == person.id:
            return row, False
        set_claim(row, person=person, at=now)
        told = {"person": person.id, "name": person.name}
        audit.record(event_of(row, happened=Happened.CLAIMED, actor=actor, at=now, **told))
    return row, True


def unclaim(*, request_id: int, person: Person, actor: Actor, now: datetime) -> tuple[HumanRequest, bool]:
    """This will have a person give a task back to all who are asked; gives whether that is new.

    Raises UnknownRequest, RequestClosed, ClaimRefused when somebody else has it.
    """
    with transaction.atomic():
        row = _locked(request_id)
        requests.require_open(row, now=now)
        if not row.claimed_by:
            return row, False
        if row.claimed_by != person.id:
            raise ClaimRefused(request_id=row.id, name=person.name, why=f"{row.claimed_name} has it")
        told = {"person": person.id, "name": person.name}
        set_claim(row, person=None, at=None)
        audit.record(event_of(row, happened=Happened.UNCLAIMED, actor=actor, at=now, **told))
    return row, True


def set_claim(row: HumanRequest, *, person: Person | None, at: datetime | None) -> None:
    """This will write down who has a task that is locked."""
    row.claimed_by, row.claimed_name = ("", "") if person is None else person
    row.claimed_at = at
    row.save(update_fields=["claimed_by", "claimed_name", "claimed_at"])


def hand_on(row: HumanRequest, *, giver: Person, taker: Person, now: datetime) -> None:
    """This will have a claim go with the say, where the giver has claimed a task that is locked."""
    if row.claimed_by == giver.id:
        set_claim(row, person=taker, at=now)


def _locked(request_id: int) -> HumanRequest:
    row = requests.lock(request_id)
    if row.kind != RequestKind.TASK:
        raise ClaimRefused(request_id=row.id, name="nobody", why=f"it is an {row.kind}: only tasks are taken")
    return row
