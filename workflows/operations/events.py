"""Publishes events: stores those that are new and wakes the steps that wait for them, in one transaction.

Inside your own `transaction.atomic()` an event is published when that commits, and never when it rolls back. Publish
near its end: a step that is woken, or looks for the same type and key at that moment, is held up until then.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from audit.events import Actor, EncodedEvent, EventKind, encode
from audit.events import Event as AuditEvent
from workflows import cloud_events, event_store, triggers
from workflows.core import identity
from workflows.core.correlation import NewEvent
from workflows.core.problems import Problem
from workflows.errors import EventInvalid
from workflows.event_store import EventRow, OpenWait
from workflows.models import EventKey
from workflows.operations import waking
from workflows.operations.waking import Waiting
from workflows.triggers import Occurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of an event. `row` is its own id here; `is_new` is False for a duplicate, which changes nothing.

    `waiting` says how many steps were waiting for it: each looks whether it fits.
    """

    row: UUID
    is_new: bool
    waiting: int


def publish_event(event: NewEvent, *, actor: Actor, now: datetime) -> Published:
    """This will publish one event; see `publish_events`. Raises EventInvalid."""
    return publish_events([event], actor=actor, now=now)[0]


def publish_events(events: Sequence[NewEvent], *, actor: Actor, now: datetime) -> Sequence[Published]:
    """This will publish events, all of them or none, in their order; an event whose name came before is a duplicate.

    Raises EventInvalid, whose problems have paths like `$[3].ttl` when there are several.
    """
    check(events)
    rows = [_row(event, place=place, actor=actor, now=now) for place, event in enumerate(events)]
    if not rows:
        return []
    with transaction.atomic():
        fresh = event_store.publish(rows, actor=str(actor)[:200])
        new = [event for event, row in zip(events, rows, strict=True) if UUID(row["id"]) in fresh]
        triggers.occurred(
            [
                Occurrence(row=UUID(row["id"]), type=row["type"], source=row["source"])
                for row in rows
                if UUID(row["id"]) in fresh
            ],
            now=now,
        )
        waits = event_store.find_waits(sorted({(event.type, event.key) for event in new})) if new else ()
        met = {wait for event in new for wait in _met(event, waits=waits)}
        if met:
            waking.wake_all([Waiting(wait.run_id, wait.step, wait.item) for wait in met])
    names = _names(events) if len(new) < len(events) else {}
    return [
        Published(row=UUID(row["id"]), is_new=True, waiting=len(_met(event, waits=waits)))
        if UUID(row["id"]) in fresh
        else Published(row=names[event.source, event.id], is_new=False, waiting=0)
        for event, row in zip(events, rows, strict=True)
    ]


def check(events: Sequence[NewEvent]) -> None:
    """This will refuse events that cannot be published. Raises EventInvalid."""
    found: list[Problem] = []
    if len(events) > cloud_events.MAX_AT_ONCE:
        message = f"{len(events)} events are too many at once: at most {cloud_events.MAX_AT_ONCE} are taken"
        raise EventInvalid([Problem("$", message)])
    for place, event in enumerate(events):
        at = "$" if len(events) == 1 else f"$[{place}]"
        found.extend(cloud_events.problems_of(event, max_ttl_s=settings.EVENT_TTL_MAX_S, at=at))
    if found:
        raise EventInvalid(found)


def _row(event: NewEvent, *, place: int, actor: Actor, now: datetime) -> EventRow:
    row = identity.run_id(unix_ms=int(now.timestamp() * 1000), random_bytes=os.urandom(10))
    return {
        "place": place,
        "id": str(row),
        "source": event.source,
        "event_id": event.id,
        "type": event.type,
        "key": event.key,
        "subject": event.subject,
        "time": None if event.time is None else event.time.isoformat(),
        "data": event.data,
        "attributes": dict(event.attributes),
        "ttl_s": settings.EVENT_TTL_S if event.ttl_s is None else event.ttl_s,
        "trail": _trail(event, row=row, actor=actor, now=now),
    }


def _trail(event: NewEvent, *, row: UUID, actor: Actor, now: datetime) -> EncodedEvent:
    payload = {"id": event.id, "source": event.source, "type": event.type, "key": event.key}
    return encode(
        AuditEvent(
            kind=EventKind.EVENT_PUBLISHED,
            actor=actor,
            subject_type="event",
            subject_id=str(row),
            correlation_id="",
            at=now,
            payload=payload,
        )
    )


def _met(event: NewEvent, *, waits: Sequence[OpenWait]) -> Sequence[OpenWait]:
    return [
        wait for wait in waits if (wait.type, wait.key) == (event.type, event.key) and wait.source in ("", event.source)
    ]


def _names(events: Sequence[NewEvent]) -> Mapping[tuple[str, str], UUID]:
    """Which events have these names."""
    rows = EventKey.objects.filter(
        source__in={event.source for event in events}, event_id__in={event.id for event in events}
    )
    return {(row.source, row.event_id): row.event for row in rows}
