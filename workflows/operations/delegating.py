"""Hands the say of a person in a request to another one, audited; no right is used twice, none goes to its starter.

Whoever gives hands on all he holds, what others gave him included. The row of the request is locked first.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from audit import operations as audit
from audit.events import Actor
from workflows import human_queries, human_rights
from workflows.core.storable import readable
from workflows.core.telling import Occasion
from workflows.core.voting import Delegation, delegation_hindrance
from workflows.human_errors import DelegationRefused
from workflows.human_models import HumanAnswer, HumanDelegation, HumanRequest
from workflows.human_rights import Person
from workflows.operations import claiming, link_rows, requests, telling
from workflows.operations.request_events import Happened, event_of

_LONGEST_REASON = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """To whom somebody hands his say, and why. `via` is the way by which it came."""

    taker: Person
    reason: str = ""
    via: str


def delegate(
    *, request_id: int, giver: Person, given: Handover, actor: Actor, now: datetime
) -> tuple[HumanRequest, bool]:
    """This will hand everything a person may say in a request to another one; gives whether that is new.

    The same again changes nothing. Raises UnknownRequest, RequestClosed, NotAsked, DelegationRefused.
    """
    with transaction.atomic():
        row = requests.lock(request_id)
        if _is_done(row, giver=giver, taker=given.taker):
            return row, False
        requests.require_open(row, now=now)
        requests.require_right(row, person=giver)
        why = _hindrance(row, giver=giver, given=given)
        if why:
            raise DelegationRefused(request_id=row.id, giver=giver.name, taker=given.taker.name, why=why)
        link_rows.revoke(row, person=giver, now=now)
        number = _write(row, giver=giver, given=given, actor=actor, now=now)
        claiming.hand_on(row, giver=giver, taker=given.taker, now=now)
        telling.tell(row, occasion=Occasion.DELEGATED, people=[given.taker], number=number, now=now)
    return row, True


def _is_done(row: HumanRequest, *, giver: Person, taker: Person) -> bool:
    """The latest that happened to the giver's rights is what is asked for."""
    touching = [one for one in human_rights.delegations_of(row) if giver.id in (one.giver, one.taker)]
    return bool(touching) and (touching[-1].giver, touching[-1].taker) == (giver.id, taker.id)


def _hindrance(row: HumanRequest, *, giver: Person, given: Handover) -> str:
    terms = human_queries.asking_of(row)
    if not terms.allows_delegation:
        return "its definition does not let anybody hand it on"
    if len(given.reason) > _LONGEST_REASON:
        return f"the reason is longer than {_LONGEST_REASON} characters"
    return delegation_hindrance(
        Delegation(giver.id, given.taker.id),
        holders=human_rights.holders_of(row),
        voted=set(HumanAnswer.objects.filter(request=row).values_list("person", flat=True)),
        excluded=row.starters,
        needed=terms.approvers,
    )


def _write(row: HumanRequest, *, giver: Person, given: Handover, actor: Actor, now: datetime) -> int:
    reason = readable(given.reason.strip())
    delegation = HumanDelegation.objects.create(
        request=row,
        run_id=row.run_id,
        giver=giver.id,
        giver_name=giver.name,
        taker=given.taker.id,
        taker_name=given.taker.name,
        reason=reason,
        digest=row.digest,
        actor=str(actor),
        via=given.via,
        at=now,
    )
    told = {
        "giver": giver.id,
        "giver_name": giver.name,
        "taker": given.taker.id,
        "taker_name": given.taker.name,
        "reason": reason,
        "via": given.via,
    }
    audit.record(event_of(row, happened=Happened.DELEGATED, actor=actor, at=now, **told))
    return delegation.id
