"""Keeps messages that no worker could take, and notes when the work they named has gone on without them.

A message carries no data: what it was to wake is in the table of activations, which dispatches it again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import orjson
from django.db import transaction
from django.db.models import F

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from audit.redaction import masked_text, redacted
from workflows.core import poison
from workflows.core.states import PoisonState
from workflows.core.storable import readable
from workflows.errors import MessageResolved, UnknownMessage
from workflows.models import Activation, Incident, IncidentHour, PoisonMessage
from workflows.operations import incidents
from workflows.operations.incidents import ENGINE, Cause

_KIND = "message"
_EXCERPT_CHARS = 4_000
_LOOKED_AT = 200
_DELIVERY_HEADERS = ("x-delivery-count", "x-acquired-count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """A message as it came from the queue. `is_redelivered`: it was given out before, and may be stored already."""

    headers: Mapping[str, object]
    properties: Mapping[str, object]
    body: bytes
    is_redelivered: bool


def record_message(message: Poison, *, now: datetime) -> PoisonMessage | None:
    """This will store a message with its incident and audit event; None when it was stored before.

    Only when this has returned may the message be confirmed to the broker.
    """
    death = poison.death_of(message.headers)
    task = str(message.headers.get("task", "without a name"))
    content = str(message.properties.get("content_type", "unknown"))
    cause = Cause(
        workflow_name="",
        step=readable(death.queue)[:100],
        kind=_KIND,
        message=readable(f"{death.reason}: task {task}, content type {content}"),
    )
    digest = _digest(message)
    with transaction.atomic():
        if message.is_redelivered and PoisonMessage.objects.filter(digest=digest).exists():
            return None
        row = PoisonMessage.objects.create(
            received_at=now,
            queue=readable(death.queue)[:255],
            reason=readable(death.reason)[:100],
            headers=_shown(message.headers),
            properties=_shown(message.properties),
            excerpt=_excerpt(message.body),
            size_bytes=len(message.body),
            digest=digest,
            refs=poison.refs_of(message.body),
            fingerprint=cause.fingerprint,
            changed_at=now,
        )
        incidents.raise_for([cause], at=now)
        _count(row, now=now)
        audit.record(_event(EventKind.MESSAGE_POISONED, row=row, actor=ENGINE, now=now, reason=row.reason))
    return row


def sweep(*, now: datetime) -> int:
    """This will note which open messages have become needless, because their work went on; gives how many."""
    waiting = PoisonMessage.objects.filter(state=PoisonState.OPEN).exclude(refs=[]).order_by("-id")
    moved = [row.id for row in waiting[:_LOOKED_AT] if _has_moved_on(row)]
    for message_id in moved:
        with transaction.atomic():
            row = PoisonMessage.objects.select_for_update(skip_locked=True).filter(id=message_id).first()
            if row is not None and row.state == PoisonState.OPEN:
                note = "the work it named was taken up by another wake-up"
                _resolve(row, state=PoisonState.RECOVERED, actor=ENGINE, now=now, note=note)
    return len(moved)


def discard_message(*, message_id: int, actor: Actor, now: datetime, reason: str) -> PoisonMessage:
    """This will mark a message as looked at and given up. Raises UnknownMessage, MessageResolved."""
    with transaction.atomic():
        row = PoisonMessage.objects.select_for_update().filter(id=message_id).first()
        if row is None:
            raise UnknownMessage(message_id)
        if row.state != PoisonState.OPEN:
            raise MessageResolved(message_id=message_id, state=row.state)
        _resolve(row, state=PoisonState.DISCARDED, actor=actor, now=now, note=reason)
    return row


def _resolve(row: PoisonMessage, *, state: PoisonState, actor: Actor, now: datetime, note: str) -> None:
    row.state, row.changed_at, row.changed_by, row.note = state, now, str(actor), note
    row.save(update_fields=["state", "changed_at", "changed_by", "note"])
    kind = EventKind.MESSAGE_RECOVERED if state is PoisonState.RECOVERED else EventKind.MESSAGE_DISCARDED
    audit.record(_event(kind, row=row, actor=actor, now=now, reason=note))
    incidents.settle(row.fingerprint, actor=actor, now=now, reason=note)


def _has_moved_on(row: PoisonMessage) -> bool:
    """Each activation it named has ended, or was claimed since."""
    for run_id, segment, slot in row.refs:
        found = Activation.objects.filter(run_id=run_id, segment=segment, slot=slot)
        if found.exclude(step_started_at__gt=row.received_at).exists():
            return False
    return True


def _count(row: PoisonMessage, *, now: datetime) -> None:
    """Messages are few: they are counted at once, one after the other."""
    incident = Incident.objects.select_for_update().get(fingerprint=row.fingerprint)
    Incident.objects.filter(fingerprint=row.fingerprint).update(count=incident.count + 1, last_seen_at=now)
    begins_at = now.replace(minute=0, second=0, microsecond=0)
    hour = IncidentHour.objects.filter(fingerprint=row.fingerprint, begins_at=begins_at)
    if not hour.update(count=F("count") + 1):
        IncidentHour.objects.create(fingerprint=row.fingerprint, begins_at=begins_at, count=1)


def _digest(message: Poison) -> str:
    """The broker's own counters of deliveries differ each time the same message comes."""
    kept = {name: value for name, value in message.headers.items() if name not in _DELIVERY_HEADERS}
    digest = hashlib.sha256(orjson.dumps(_plain(kept), option=orjson.OPT_SORT_KEYS))
    digest.update(b"\0" + message.body)
    return digest.hexdigest()


def _excerpt(body: bytes) -> str:
    try:
        text = orjson.dumps(redacted(orjson.loads(body))).decode()
    except ValueError:
        text = body.decode("utf-8", "replace")
    return masked_text(readable(text))[:_EXCERPT_CHARS]


def _shown(value: Mapping[str, object]) -> dict[str, object]:
    return cast(dict[str, object], redacted(_plain(value)))


def _plain(value: object) -> object:
    """Headers hold whatever AMQP knows (instants, bytes): JSON that PostgreSQL can keep, without secrets in texts."""
    if isinstance(value, Mapping):
        return {readable(str(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return masked_text(readable(value.isoformat() if isinstance(value, datetime) else str(value)))


def _event(kind: EventKind, *, row: PoisonMessage, actor: Actor, now: datetime, reason: str) -> Event:
    return Event(
        kind=kind,
        actor=actor,
        subject_type="message",
        subject_id=str(row.id),
        correlation_id=row.fingerprint,
        at=now,
        payload={"queue": row.queue, "reason": reason, "sha256": row.digest, "incident": row.fingerprint},
    )
