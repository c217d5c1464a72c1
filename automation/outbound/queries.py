"""Reads of endpoints and their messages, each with a named order; they change nothing."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from automation.errors import UnknownEndpoint, UnknownMessage
from automation.models import WebhookEndpoint, WebhookMessage


def endpoints() -> QuerySet[WebhookEndpoint]:
    """This will select the endpoints by name."""
    return WebhookEndpoint.objects.order_by("name")


def users_of(references: Collection[str]) -> Iterator[tuple[str, str]]:
    """This will name the endpoints that refer to some secrets, each with the reference."""
    rows = endpoints().filter(secrets__overlap=list(references)).values_list("name", "secrets")
    for name, secrets in rows:
        yield from ((reference, f"webhook endpoint {name}") for reference in references if reference in secrets)


def get_endpoint(*, name: str) -> WebhookEndpoint:
    """This will read an endpoint. Raises UnknownEndpoint."""
    found = WebhookEndpoint.objects.filter(name=name).first()
    if found is None:
        raise UnknownEndpoint(name)
    return found


def messages(*, endpoint: str = "", state: str = "") -> QuerySet[WebhookMessage]:
    """This will select messages, the newest first."""
    rows = WebhookMessage.objects.select_related("endpoint").order_by("-id")
    rows = rows.filter(endpoint__name=endpoint) if endpoint else rows
    return rows.filter(state=state) if state else rows


def messages_of(event: UUID) -> Sequence[WebhookMessage]:
    """This will give the messages that an event went out as, by endpoint."""
    return list(WebhookMessage.objects.filter(event=event).select_related("endpoint").order_by("endpoint__name"))


def get_message(*, message: UUID) -> WebhookMessage:
    """This will read a message. Raises UnknownMessage."""
    found = WebhookMessage.objects.select_related("endpoint").filter(id=message).first()
    if found is None:
        raise UnknownMessage(message)
    return found


def latest_attempt(row: WebhookMessage) -> Mapping[str, Any]:  # Any: JSON
    """This will give the latest attempt of a message, empty when none was made."""
    return row.log[-1] if row.log else {}
