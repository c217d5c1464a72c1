"""Sends what is due: claims rows, calls the channel with no transaction open, marks them. Any number may run.

A process that dies between sending and marking leaves its claim to run out: the message is sent once more, with the
same id.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.models import F
from django.utils import timezone

from integrations.errors import CallFailed, Postponed, Refused
from integrations.models import Notification
from integrations.notifications import addresses, channels, outbox
from integrations.notifications.contract import NotificationState, Parcel, UnknownChannel

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
_EVERY_S = 1.0
_AT_ONCE = 20


def run(*, wait: Callable[[float], bool]) -> None:
    """This will send until `wait` (of seconds) says that the process ends; a lost database is waited for."""
    while not wait(_EVERY_S):
        try:
            while send_due(now=timezone.now()):
                pass
        except DatabaseError:
            log.warning("database_away", exc_info=True)
            connection.close()
        except Exception:
            log.exception("notifications_stopped_for_a_moment")
        close_old_connections()
    connection.close()


def send_due(*, now: datetime) -> int:
    """This will send what is due, a few at a time; gives how many were tried."""
    count = 0
    for _ in range(_AT_ONCE):
        rows = _claim(now=now)
        for row in rows:
            _deliver(row)
        count += len(rows)
        if not rows:
            break
    return count


def _claim(*, now: datetime) -> Sequence[Notification]:
    """One at a time, so that a claim is never older than one attempt."""
    due = Notification.objects.filter(state=NotificationState.PENDING, due_at__lte=now).order_by("due_at")
    until = now + timedelta(seconds=settings.NOTIFICATION_LEASE_S)
    with transaction.atomic():
        row = due.select_for_update(skip_locked=True).first()
        if row is None:
            return ()
        Notification.objects.filter(id=row.id).update(attempts=F("attempts") + 1, claim=F("claim") + 1, due_at=until)
    row.attempts += 1
    row.claim += 1
    return (row,)


def _deliver(row: Notification) -> None:
    try:
        channels.get_channel(row.channel).send(_parcel(row))
    except Postponed as error:
        outbox.mark_failed(row, error=str(error), delay_s=error.delay_s, now=timezone.now())
    except (Refused, UnknownChannel) as error:
        _give_up(row, error=str(error))
    except CallFailed as error:
        _fail(row, error=error.message, delay_s=error.retry_after_s)
    except Exception as error:  # whatever a channel of somebody else does, the others must go on
        log.exception("notification_failed", notification=str(row.id), channel=row.channel)
        _fail(row, error=f"{type(error).__name__}: {error}", delay_s=None)
    else:
        outbox.mark_sent(row, now=timezone.now())


def _fail(row: Notification, *, error: str, delay_s: float | None) -> None:
    if row.attempts >= settings.NOTIFICATION_ATTEMPTS:
        _give_up(row, error=error)
    else:
        outbox.mark_failed(row, error=error, delay_s=delay_s, now=timezone.now())


def _give_up(row: Notification, *, error: str) -> None:
    log.warning("notification_dead", notification=str(row.id), channel=row.channel, error=error)
    outbox.mark_dead(row, error=error, now=timezone.now())


def _parcel(row: Notification) -> Parcel:
    return Parcel(
        id=str(row.id),
        recipient=row.recipient,
        subject=row.subject,
        text=addresses.filled(row.text),
        data=row.data,
        about=row.about,
        correlation_id=row.correlation_id,
        attempt=row.attempts,
        timeout_s=min(settings.NOTIFICATION_TIMEOUT_S, settings.NOTIFICATION_LEASE_S / 2),
    )
