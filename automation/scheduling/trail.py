"""The audit events of schedules; it writes nothing itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit.events import Actor, ActorKind, Event, EventKind


def event(
    kind: EventKind, *, name: str, actor: Actor, now: datetime, subject: str = "schedule", **payload: Any
) -> Event:
    """This will make the event of a change of a schedule, a calendar or a backfill."""
    values: Mapping[str, object] = payload
    return Event(
        kind=kind, actor=actor, subject_type=subject, subject_id=name, correlation_id="", at=now, payload=values
    )


def actor_of(name: str) -> Actor:
    """This will give the schedule as the cause of what it starts."""
    return Actor(kind=ActorKind.SCHEDULE, id=name[:180])
