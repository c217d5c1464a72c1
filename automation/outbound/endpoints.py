"""Makes, changes, deletes, disables endpoints and has messages sent again, each with its audit event."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from automation import saving, wording
from automation.errors import EndpointInvalid, MessageNotEnded, UnknownEndpoint, UnknownMessage
from automation.models import WebhookEndpoint, WebhookMessage
from automation.outbound_models import Format, MessageState
from workflows.core.problems import Problem, path_to

_TYPE = re.compile(r"[^\s*]{0,199}\*?")
MOST_SECRETS = 5
MOST_TYPES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWanted:
    """What an endpoint shall be. `secrets` are references, the newest first."""

    name: str
    url: str
    types: tuple[str, ...]
    secrets: tuple[str, ...]
    connection: str = ""
    source: str = ""
    format: str = Format.STANDARD.value
    is_enabled: bool = True


def save_endpoint(wanted: EndpointWanted, *, actor: Actor, now: datetime) -> tuple[WebhookEndpoint, bool]:
    """This will make or change an endpoint; gives it, and whether it is new. Enabling it forgets why it was disabled.

    The same again changes nothing. Raises EndpointInvalid.
    """
    problems = list(problems_of(wanted))
    if problems:
        raise EndpointInvalid(problems)
    values = {**asdict(wanted), "types": list(wanted.types), "secrets": list(wanted.secrets)}
    forgotten = {"disabled_at": None, "disabled_reason": "", "failing_since": None} if wanted.is_enabled else {}
    with transaction.atomic():
        saved = saving.save(WebhookEndpoint, values, actor=actor, now=now, with_change=forgotten)
        if saved.is_changed:
            _audit(saved.row, kind=EventKind.ENDPOINT_CHANGED, actor=actor, now=now)
    return saved.row, saved.is_new


def delete_endpoint(*, name: str, actor: Actor, now: datetime) -> None:
    """This will delete an endpoint with its messages. Raises UnknownEndpoint."""
    with transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update().filter(name=name).first()
        if row is None:
            raise UnknownEndpoint(name)
        _audit(row, kind=EventKind.ENDPOINT_DELETED, actor=actor, now=now)
        row.delete()


def disable(endpoint_id: int, *, reason: str, actor: Actor, now: datetime) -> bool:
    """This will disable an endpoint that is enabled, inside the caller's transaction; False: it was not."""
    rows = WebhookEndpoint.objects.filter(id=endpoint_id, is_enabled=True)
    if not rows.update(is_enabled=False, disabled_at=now, disabled_reason=reason[:300]):
        return False
    row = WebhookEndpoint.objects.get(id=endpoint_id)
    _audit(row, kind=EventKind.ENDPOINT_DISABLED, actor=actor, now=now)
    return True


def redeliver(messages: Sequence[UUID], *, actor: Actor, now: datetime) -> int:
    """This will have messages that have ended sent again under their ids, with all their attempts; gives how many.

    All of them or none. Raises UnknownMessage, MessageNotEnded.
    """
    with transaction.atomic():
        rows = list(WebhookMessage.objects.select_for_update().filter(id__in=messages).order_by("id"))
        missing = set(messages) - {row.id for row in rows}
        if missing:
            raise UnknownMessage(next(iter(missing)))
        for row in rows:
            if row.state == MessageState.PENDING:
                raise MessageNotEnded(row.id)
        ids = [row.id for row in rows]
        WebhookMessage.objects.filter(id__in=ids).update(
            state=MessageState.PENDING, attempts=0, due_at=now, ended_at=None
        )
        audit.record(*(_redelivered(row, actor=actor, now=now) for row in rows))
    return len(rows)


def problems_of(wanted: EndpointWanted) -> Iterator[Problem]:
    """This will give everything that is wrong with an endpoint."""
    if not wording.is_name(wanted.name):
        hint = "write lower-case words joined by hyphens, such as partner-orders"
        yield Problem("$.name", f"{wanted.name!r} cannot be the name of an endpoint", hint)
    yield from _url_problems(wanted)
    if wanted.format not in [form.value for form in Format]:
        yield Problem("$.format", f"there is no format {wanted.format!r}", f"write one of {', '.join(Format)}")
    if not 1 <= len(wanted.types) <= MOST_TYPES:
        yield Problem("$.types", f"must be 1 to {MOST_TYPES} types", "write order.* for all that begin so")
    for index, text in enumerate(wanted.types):
        if not text or not _TYPE.fullmatch(text):
            yield Problem(path_to("$", "types", index), f"{text!r} is no type", "write order.paid, or order.*")
    if not 1 <= len(wanted.secrets) <= MOST_SECRETS:
        yield Problem("$.secrets", f"must be 1 to {MOST_SECRETS} references", "such as env:PARTNER_SECRET")
    yield from wording.reference_problems(wanted.secrets)


def _url_problems(wanted: EndpointWanted) -> Iterator[Problem]:
    if wanted.connection:
        if not wanted.url.startswith("/"):
            yield Problem("$.url", "with a connection it is a path of that", "write /hooks/orders")
        return
    try:
        parts = urlsplit(wanted.url)
        is_right = parts.scheme == "https" and bool(parts.hostname) and not parts.username
    except ValueError:
        is_right = False
    if not is_right or len(wanted.url) > 500:
        hint = "write https://host/path; what is private or plain is reached through a connection"
        yield Problem("$.url", "is no https address", hint)


def _audit(row: WebhookEndpoint, *, kind: EventKind, actor: Actor, now: datetime) -> None:
    payload = {
        "url": row.url.partition("?")[0],
        "connection": row.connection,
        "types": list(row.types),
        "secrets": list(row.secrets),
        "format": row.format,
        "enabled": row.is_enabled,
        "reason": row.disabled_reason,
    }
    audit.record(
        Event(
            kind=kind,
            actor=actor,
            subject_type="webhook_endpoint",
            subject_id=row.name,
            correlation_id=row.name,
            at=now,
            payload=payload,
        )
    )


def _redelivered(row: WebhookMessage, *, actor: Actor, now: datetime) -> Event:
    return Event(
        kind=EventKind.MESSAGE_REDELIVERED,
        actor=actor,
        subject_type="webhook_message",
        subject_id=str(row.id),
        correlation_id=str(row.event),
        at=now,
        payload={"endpoint": row.endpoint_id, "state": row.state, "attempts": row.attempts},
    )
