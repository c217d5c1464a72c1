"""States what happened to a request to people, as something that happened in its run; it records nothing."""

from datetime import datetime
from enum import StrEnum

from audit.events import Actor, ActorKind, Event, EventKind
from workflows.human_models import HumanRequest

ENGINE = Actor(kind=ActorKind.ENGINE)


class Happened(StrEnum):
    """What can happen to a request; with its kind in front it is the word of the trail."""

    REQUESTED = "requested"
    ANSWERED = "answered"
    DELEGATED = "delegated"
    LINK_MADE = "link_made"
    TOLD = "told"
    ESCALATED = "escalated"
    CLAIMED = "claimed"
    UNCLAIMED = "unclaimed"
    OVERDUE = "overdue"
    APPROVED = "approved"
    REJECTED = "rejected"
    COMPLETED = "completed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


def event_of(row: HumanRequest, *, happened: Happened, actor: Actor, at: datetime, **payload: object) -> Event:
    """This will state it, with the digest of what people see."""
    told: dict[str, object] = {"request": row.id, "step": row.step, "digest": row.digest, **payload}
    if row.index is not None:
        told["index"] = row.index
    return Event(
        kind=EventKind(f"{row.kind}.{happened}"),
        actor=actor,
        subject_type="run",
        subject_id=str(row.run_id),
        correlation_id=row.correlation_id,
        at=at,
        payload=told,
    )
