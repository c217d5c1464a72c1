"""Reads of events and of the steps that wait for them, each with a named order; they change nothing."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import orjson
from django.db.models import Max, QuerySet

from audit.redaction import redacted
from workflows.core import correlation
from workflows.core.definition import JsonObject
from workflows.errors import UnknownEvent
from workflows.event_models import EventWaitState
from workflows.models import Event, EventWait


def newest(*, event_type: str = "", key: str = "") -> QuerySet[Event]:
    """This will select events, the newest first."""
    events = Event.objects.order_by("-id")
    events = events.filter(type=event_type) if event_type else events
    return events.filter(key=key) if key else events


def get_event(*, row: UUID) -> Event:
    """This will read an event by its own id here. Raises UnknownEvent."""
    event = Event.objects.filter(id=row).first()
    if event is None:
        raise UnknownEvent(row)
    return event


def documents(rows: Collection[UUID]) -> Mapping[UUID, JsonObject]:
    """This will give events as expressions see them, by their own ids here; those that are not kept are left out."""
    return {row.id: event_of(row).document for row in Event.objects.filter(id__in=rows).order_by("id")}


def latest_at(*, event_type: str, is_prefix: bool = False, source: str = "") -> datetime | None:
    """This will give when the latest event of a type came (or of all types that begin so), None: none has."""
    events = Event.objects.filter(type__startswith=event_type) if is_prefix else Event.objects.filter(type=event_type)
    events = events.filter(source=source) if source else events
    latest: datetime | None = events.aggregate(latest=Max("received_at"))["latest"]
    return latest


def event_of(row: Event) -> correlation.Event:
    """This will give an event as a value."""
    return correlation.Event(
        row=row.id,
        id=row.event_id,
        source=row.source,
        type=row.type,
        key=row.key,
        subject=row.subject,
        time=row.time,
        data=row.data,
        attributes=row.attributes,
        received_at=row.received_at,
        expires_at=row.expires_at,
    )


def receivers(*, event: UUID) -> Sequence[EventWait]:
    """This will give who received an event, the earliest first."""
    return list(EventWait.objects.filter(event=event).order_by("id"))


def still_waiting(*, event_type: str, key: str) -> Sequence[EventWait]:
    """This will give the steps that wait for events of a type and key, the earliest first."""
    waits = EventWait.objects.filter(type=event_type, key=key, state=EventWaitState.WAITING)
    return list(waits.order_by("id"))


def is_buffered(event: Event, *, now: datetime) -> bool:
    """This will tell whether an event is still there for steps that have not begun to wait."""
    return event.expires_at > now


def attributes_of(event: Event) -> Mapping[str, str]:
    """This will write what is known of an event, for people; secrets are masked."""
    return {
        "id": event.event_id,
        "source": event.source,
        "type": event.type,
        "key": event.key,
        "subject": event.subject,
        "time": "" if event.time is None else event.time.isoformat(),
        "received at": f"{event.received_at:%Y-%m-%d %H:%M:%S}",
        "expires at": f"{event.expires_at:%Y-%m-%d %H:%M:%S}",
        "published by": event.published_by,
        "attributes": orjson.dumps(redacted(event.attributes)).decode(),
        "data": orjson.dumps(redacted(event.data)).decode(),
    }


def place_of(wait: EventWait) -> str:
    """This will name the step that waits, with its item if it is one."""
    return wait.step if wait.index < 0 else f"{wait.step}[{wait.index}]"
