"""Holds: who keeps what from going, and why. A hold is never deleted; it is released, or ends at its time."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from retention.core.scope import Scope
from retention.errors import HoldInvalid, HoldUnknown
from retention.models import Hold
from retention.operations import locks

_REASON_MAX = 1000
_VALUE_MAX = 200


def place_hold(
    *, scope: str, value: str, reason: str, actor: Actor, now: datetime, until: datetime | None = None
) -> Hold:
    """This will keep what `value` names, from the moment it returns: what has not gone by then stays.

    Raises HoldInvalid when the scope is unknown, a run is no UUID, the reason is missing or `until` is past.
    """
    known, named = _scope(scope), _value(scope, value)
    _check_text("reason", reason, longest=_REASON_MAX)
    if until is not None and until <= now:
        raise HoldInvalid("until", f"{until:%Y-%m-%d %H:%M} is past: give a time to come, or none")
    with transaction.atomic():
        locks.while_holds_change()
        hold = Hold.objects.create(
            scope=known, value=named, reason=reason.strip(), until=until, placed_by=str(actor), placed_at=now
        )
        _record(hold, kind=EventKind.HOLD_PLACED, actor=actor, now=now, reason=hold.reason)
    return hold


def release_hold(*, hold_id: int, reason: str, actor: Actor, now: datetime) -> bool:
    """This will end a hold; False when it was released already. Raises HoldUnknown, HoldInvalid."""
    _check_text("reason", reason, longest=_REASON_MAX)
    with transaction.atomic():
        locks.while_holds_change()
        changed = Hold.objects.filter(id=hold_id, released_at__isnull=True).update(
            released_at=now, released_by=str(actor), release_reason=reason.strip()
        )
        hold = Hold.objects.filter(id=hold_id).first()
        if hold is None:
            raise HoldUnknown(hold_id)
        if changed:
            _record(hold, kind=EventKind.HOLD_RELEASED, actor=actor, now=now, reason=hold.release_reason)
    return bool(changed)


def _scope(scope: str) -> Scope:
    try:
        return Scope(scope)
    except ValueError as error:
        raise HoldInvalid("scope", f"{scope!r} is none of {', '.join(Scope)}") from error


def _value(scope: str, value: str) -> str:
    _check_text("value", value, longest=_VALUE_MAX)
    if scope != Scope.RUN:
        return value.strip()
    try:
        return str(UUID(value.strip()))
    except ValueError as error:
        raise HoldInvalid("value", f"{value!r} is not the id of a run, which is a UUID") from error


def _check_text(field: str, text: str, *, longest: int) -> None:
    if not text.strip():
        raise HoldInvalid(field, "is missing")
    if len(text.strip()) > longest or "\0" in text:
        raise HoldInvalid(field, f"must be plain text of at most {longest} characters")


def _record(hold: Hold, *, kind: EventKind, actor: Actor, now: datetime, reason: str) -> None:
    payload = {"scope": str(hold.scope), "value": hold.value, "reason": reason}
    if hold.until is not None:
        payload["until"] = hold.until.isoformat()
    event = Event(
        kind=kind,
        actor=actor,
        subject_type="hold",
        subject_id=f"hold:{hold.id}",
        correlation_id=f"hold:{hold.id}",
        at=now,
        payload=payload,
    )
    audit.record(event)
