"""Writes notifications down in the caller's transaction; it never sends."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import QuerySet

from audit import operations as audit
from audit.events import Actor, ActorKind, Event, EventKind
from integrations.errors import IntegrationError
from integrations.models import Notification
from integrations.notifications import channels
from integrations.notifications.contract import Message, NotificationState

ENGINE = Actor(kind=ActorKind.ENGINE)
FIRST_S = 10.0
CAP_S = 3600.0
_LONGEST_ERROR = 1000


class NotificationUnknown(IntegrationError):
    """There is no notification of that id."""


class NotificationNotDead(IntegrationError):
    """Only a notification that was given up can be sent again."""


def notify(messages: Sequence[Message], *, now: datetime, actor: Actor = ENGINE) -> int:
    """This will write messages down, inside the caller's transaction, and give how many are new.

    A message whose key is known already changes nothing. Raises UnknownChannel, WrongRecipient; then nothing is
    written.
    """
    for message in messages:
        channels.get_channel(message.channel).check(message.recipient)
    rows = [_row(message, now=now) for message in messages]
    if not rows:
        return 0
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    fresh = set(Notification.objects.filter(id__in=[row.id for row in rows]).values_list("id", flat=True))
    written = [row for row in rows if row.id in fresh]
    audit.record(*(event_of(row, kind=EventKind.NOTIFICATION_QUEUED, actor=actor, at=now) for row in written))
    return len(written)


def send_again(*, notification_id: UUID, actor: Actor, now: datetime) -> None:
    """This will make a notification that was given up due again, with all its attempts.

    Raises NotificationUnknown, NotificationNotDead.
    """
    with transaction.atomic():
        row = Notification.objects.select_for_update().filter(id=notification_id).first()
        if row is None:
            raise NotificationUnknown(f"there is no notification {notification_id}")
        if row.state != NotificationState.DEAD:
            raise NotificationNotDead(f"notification {notification_id} is {row.state}: only dead ones are sent again")
        Notification.objects.filter(id=row.id).update(state=NotificationState.PENDING, attempts=0, due_at=now)
        audit.record(event_of(row, kind=EventKind.NOTIFICATION_REQUEUED, actor=actor, at=now))


def mark_sent(row: Notification, *, now: datetime) -> bool:
    """This will note that a claimed notification was delivered; False: its claim was over, another has it."""
    return _mark(row, kind=EventKind.NOTIFICATION_SENT, now=now, state=NotificationState.SENT, sent_at=now, error="")


def mark_dead(row: Notification, *, error: str, now: datetime) -> bool:
    """This will give a claimed notification up, until somebody sends it again."""
    text = error[:_LONGEST_ERROR]
    return _mark(row, kind=EventKind.NOTIFICATION_DEAD, now=now, state=NotificationState.DEAD, error=text)


def mark_failed(row: Notification, *, error: str, delay_s: float | None, now: datetime) -> bool:
    """This will let a claimed notification wait for its next attempt: `delay_s`, or longer each time (full jitter)."""
    if delay_s is None:
        delay_s = FIRST_S + random.random() * min(CAP_S, FIRST_S * 2.0 ** min(row.attempts, 20))  # noqa: S311  no secret
    changed = {"due_at": now + timedelta(seconds=delay_s), "error": error[:_LONGEST_ERROR]}
    return bool(_claimed(row).update(**changed))


def event_of(row: Notification, *, kind: EventKind, actor: Actor, at: datetime) -> Event:
    """This will state what happened to a notification; about whom it is sent, never its text."""
    return Event(
        kind=kind,
        actor=actor,
        subject_type="notification",
        subject_id=str(row.id),
        correlation_id=row.correlation_id or str(row.id),
        at=at,
        payload={"channel": row.channel, "recipient": row.recipient, "key": row.key, "attempts": row.attempts},
    )


def _mark(row: Notification, *, kind: EventKind, now: datetime, **changed: object) -> bool:
    with transaction.atomic():
        is_ours = bool(_claimed(row).update(**changed))
        if is_ours:
            audit.record(event_of(row, kind=kind, actor=ENGINE, at=now))
    return is_ours


def _claimed(row: Notification) -> QuerySet[Notification]:
    return Notification.objects.filter(id=row.id, state=NotificationState.PENDING, claim=row.claim)


def _row(message: Message, *, now: datetime) -> Notification:
    return Notification(
        id=uuid4(),
        key=message.key,
        channel=message.channel,
        recipient=message.recipient,
        subject=message.subject[:300],
        text=message.text,
        data=dict(message.data),
        about=message.about,
        correlation_id=message.correlation_id,
        due_at=now,
        created_at=now,
    )
