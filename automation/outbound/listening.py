"""Writes a message for each endpoint that wants an event, in the transaction that publishes it; it sends nothing."""

import os
from collections.abc import Sequence
from datetime import datetime

from automation.models import WebhookEndpoint, WebhookMessage
from automation.outbound.deciding import is_wanted
from automation.outbound_models import MessageState
from workflows.core import identity
from workflows.triggers import Occurrence


def note(events: Sequence[Occurrence], *, now: datetime) -> None:
    """This will have events sent to who is subscribed to them."""
    endpoints = list(WebhookEndpoint.objects.filter(is_enabled=True).order_by("id"))
    messages = [
        WebhookMessage(
            id=identity.run_id(unix_ms=int(now.timestamp() * 1000), random_bytes=os.urandom(10)),
            endpoint=endpoint,
            event=event.row,
            type=event.type,
            state=MessageState.PENDING,
            due_at=now,
            created_at=now,
        )
        for event in events
        for endpoint in endpoints
        if endpoint.source in ("", event.source) and is_wanted(types=endpoint.types, event_type=event.type)
    ]
    if messages:
        WebhookMessage.objects.bulk_create(messages, ignore_conflicts=True)
