"""Reads one stored request as its events; pure. What it cannot read it refuses, and says where."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from automation.eventing.documents import source_of
from automation.inbound_models import WebhookDelivery
from automation.receiving import clouded
from automation.verification.contract import Options, Preset, Request, Told, Untold
from workflows.core.correlation import MAX_KEY, NewEvent

_MAX_ID = 200


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a request is not an event."""

    problem: str


def read(row: WebhookDelivery, *, preset: Preset, options: Options) -> Sequence[NewEvent] | Unreadable:
    """This will give the event that a request is; a batch of CloudEvents is several."""
    request = Request(body=bytes(row.body), headers=row.headers, peer=row.peer)
    try:
        if options.get("cloudevents"):
            return [_of_source(event, row=row) for event in clouded.events_of(request)]
        return [_of_source(_event(preset.tell(request, options=options), row=row, options=options), row=row)]
    except Untold as error:
        return Unreadable(str(error))


def _event(told: Told, *, row: WebhookDelivery, options: Options) -> NewEvent:
    return NewEvent(
        id=told.id or _own_id(row, options=options),
        source="",
        type=told.type,
        key=told.subject,
        subject=told.subject,
        time=_instant(told.time),
        data=told.data,
        attributes=told.attributes,
    )


def _of_source(event: NewEvent, *, row: WebhookDelivery) -> NewEvent:
    """The source is what was proven; what is too long for its column is shortened; a replay has an id of its own."""
    event_id = event.id
    if row.replay_of is not None:
        event_id = f"{event_id[: _MAX_ID - 45]}#replay:{row.id}"
    return replace(
        event,
        id=_bounded(event_id, _MAX_ID),
        source=source_of(row.source),
        key=_bounded(event.key, MAX_KEY),
        subject=_bounded(event.subject, 300),
        attributes={**event.attributes, "webhook": str(row.id)},
    )


def _own_id(row: WebhookDelivery, *, options: Options) -> str:
    """Without an id of the sender's the signed bytes are it: the same bytes signed at the same time are the same."""
    if options.get("each"):
        return str(row.id)
    signed = "" if row.signed_at is None else str(row.signed_at.timestamp())
    return hashlib.sha256(f"{signed}.".encode() + bytes(row.body)).hexdigest()


def _bounded(text: str, longest: int) -> str:
    """What is too long for a column keeps its beginning, and a digest of all of it."""
    if len(text) <= longest:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"{text[: longest - 33]}~{digest}"


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
