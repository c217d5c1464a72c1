"""Reads of sources and of what they sent, each with a named order; what they show has its secrets masked."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet, Sum

from audit.redaction import MASK, is_secret_key, masked_text, redacted
from automation.errors import UnknownDelivery, UnknownSource
from automation.models import EventTrigger, TriggerFiring, WebhookDelivery, WebhookRefusal, WebhookSource

_SHOWN_BYTES = 100_000
_LATEST = 20


def sources() -> QuerySet[WebhookSource]:
    """This will select the sources by name."""
    return WebhookSource.objects.order_by("name")


def users_of(references: Collection[str]) -> Iterator[tuple[str, str]]:
    """This will name the sources that refer to some secrets, each with the reference."""
    rows = sources().filter(secrets__overlap=list(references)).values_list("name", "secrets")
    for name, secrets in rows:
        yield from ((reference, f"webhook source {name}") for reference in references if reference in secrets)


def get_source(*, name: str) -> WebhookSource:
    """This will read a source. Raises UnknownSource."""
    found = WebhookSource.objects.filter(name=name).first()
    if found is None:
        raise UnknownSource(name)
    return found


def deliveries(*, source: str = "", state: str = "") -> QuerySet[WebhookDelivery]:
    """This will select requests, the newest first, without their bodies."""
    rows = WebhookDelivery.objects.order_by("-id").defer("body")
    rows = rows.filter(source=source) if source else rows
    return rows.filter(state=state) if state else rows


def get_delivery(*, delivery: UUID) -> WebhookDelivery:
    """This will read a request with its body. Raises UnknownDelivery."""
    found = WebhookDelivery.objects.filter(id=delivery).first()
    if found is None:
        raise UnknownDelivery(delivery)
    return found


def replays(*, delivery: UUID) -> Sequence[WebhookDelivery]:
    """This will give how often a request was read again, the earliest first."""
    return list(WebhookDelivery.objects.filter(id__gt=delivery, replay_of=delivery).order_by("id").defer("body"))


def firings(*, event: UUID) -> Sequence[TriggerFiring]:
    """This will give what became of an event at triggers, in their order."""
    return list(TriggerFiring.objects.filter(event=event).select_related("trigger").order_by("id"))


def latest_firings(*, trigger: int) -> Sequence[TriggerFiring]:
    """This will give what became of the latest events at a trigger, the newest first."""
    return list(TriggerFiring.objects.filter(trigger_id=trigger).select_related("trigger").order_by("-id")[:_LATEST])


def triggers(*, workflow: str = "") -> QuerySet[EventTrigger]:
    """This will select the triggers in force, by workflow."""
    rows = EventTrigger.objects.filter(ended_at=None).order_by("workflow", "kind", "place")
    return rows.filter(workflow=workflow) if workflow else rows


def refusals(*, source: str = "", now: datetime, hours: int = 24) -> QuerySet[WebhookRefusal]:
    """This will select the counts of the latest hours, the newest first."""
    rows = WebhookRefusal.objects.filter(hour__gt=now - timedelta(hours=hours)).order_by("-hour", "source", "reason")
    return rows.filter(source=source) if source else rows


def refused(*, now: datetime, hours: int = 24) -> Mapping[str, int]:
    """This will count what was not taken in the latest hours, by source."""
    rows = WebhookRefusal.objects.filter(hour__gt=now - timedelta(hours=hours))
    return {row["source"]: row["sum"] for row in rows.order_by("source").values("source").annotate(sum=Sum("count"))}


def shown_headers(delivery: WebhookDelivery) -> Mapping[str, str]:
    """This will give the headers with secrets masked."""
    return {name: MASK if is_secret_key(name) else value for name, value in delivery.headers.items()}


def shown_body(delivery: WebhookDelivery) -> Any:  # Any: JSON
    """This will give the body with secrets masked: as JSON where it is JSON, else as text, else its size."""
    body = bytes(delivery.body)
    if len(body) > _SHOWN_BYTES:
        return f"({len(body)} bytes: more than are shown)"
    try:
        return redacted(json.loads(body))
    except (ValueError, RecursionError):
        pass
    try:
        return masked_text(body.decode())
    except UnicodeDecodeError:
        return f"({len(body)} bytes that are no text)"
