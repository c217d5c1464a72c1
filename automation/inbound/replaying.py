"""Has stored requests read again, as new events; the old ones stay as they are."""

import os
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from automation.errors import UnknownDelivery
from automation.inbound_models import DeliveryState
from automation.models import WebhookDelivery
from workflows.core import identity

MOST = 500


def replay(deliveries: Sequence[UUID], *, actor: Actor, now: datetime) -> Sequence[UUID]:
    """This will have requests read again, all of them or none, and give the new ones.

    Each becomes an event with an id of its own, so that it is no duplicate: whatever listens to it listens again.
    Raises UnknownDelivery.
    """
    with transaction.atomic():
        found = {row.id: row for row in WebhookDelivery.objects.filter(id__in=deliveries[:MOST])}
        missing = next((one for one in deliveries if one not in found), None)
        if missing is not None:
            raise UnknownDelivery(missing)
        rows = [_again(found[one], now=now) for one in dict.fromkeys(deliveries)]
        WebhookDelivery.objects.bulk_create(rows)
        audit.record(*(_event(row, actor=actor, now=now) for row in rows))
    return [row.id for row in rows]


def _again(row: WebhookDelivery, *, now: datetime) -> WebhookDelivery:
    return WebhookDelivery(
        id=identity.run_id(unix_ms=int(now.timestamp() * 1000), random_bytes=os.urandom(10)),
        source=row.source,
        state=DeliveryState.VERIFIED,
        received_at=now,
        signed_at=row.signed_at,
        peer=row.peer,
        headers=row.headers,
        body=row.body,
        key=row.key,
        replay_of=row.id,
    )


def _event(row: WebhookDelivery, *, actor: Actor, now: datetime) -> Event:
    return Event(
        kind=EventKind.DELIVERY_REPLAYED,
        actor=actor,
        subject_type="webhook_delivery",
        subject_id=str(row.replay_of),
        correlation_id=str(row.replay_of),
        at=now,
        payload={"source": row.source, "replay": str(row.id)},
    )
