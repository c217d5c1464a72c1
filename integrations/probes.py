"""Tries connections out, and keeps what was found on their rows; a probe has no effect outside."""

import time
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from audit.redaction import redacted_text
from integrations import kinds, queries
from integrations.contract import ConnectionSettings, Health
from integrations.errors import Refused
from integrations.models import Connection

TIMEOUT_S = 10.0
NOT_PROBED = {"probed_at": None, "is_well": None, "probe_detail": "", "probed_by": ""}
"""What is known of a connection that has changed: nothing any more."""
_LONGEST_DETAIL = 500
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a probe found, and when."""

    is_well: bool
    detail: str
    at: datetime
    took_s: float


def probe(*, name: str, actor: Actor, now: datetime, correlation_id: str = "", timeout_s: float = TIMEOUT_S) -> Probed:
    """This will try a connection out, past its rate limit and its breaker, and keep what was found. `now`: its begin.

    A connection that cannot even be resolved is not well. When somebody changes it meanwhile, what was found is told
    and not kept. Raises UnknownConnection.
    """
    changed_at = queries.get_row(name).updated_at
    began = time.monotonic()
    health = _found(name, timeout_s=timeout_s)
    took_s = time.monotonic() - began
    with transaction.atomic():
        is_kept = Connection.objects.filter(name=name, updated_at=changed_at).update(
            probed_at=now, is_well=health.is_well, probe_detail=health.detail, probed_by=str(actor)
        )
        if is_kept:
            payload = {"is_well": health.is_well, "detail": health.detail}
            audit.record(
                Event(
                    kind=EventKind.CONNECTION_PROBED,
                    actor=actor,
                    subject_type="connection",
                    subject_id=name,
                    correlation_id=correlation_id,
                    at=now,
                    payload=payload,
                )
            )
    return Probed(is_well=health.is_well, detail=health.detail, at=now, took_s=took_s)


def _found(name: str, *, timeout_s: float) -> Health:
    queries.forget_connections()
    try:
        settings = queries.connection_settings(name)
    except Refused as refusal:
        return Health(is_well=False, detail=refusal.message[:_LONGEST_DETAIL])
    kind = kinds.kinds().get(settings.kind)
    if kind is None:
        return Health(is_well=False, detail=f"no adapter of the kind {settings.kind} is installed")
    health = _tried(kind, settings, timeout_s=timeout_s)
    return Health(
        is_well=health.is_well,
        detail=redacted_text(health.detail, secrets=settings.secrets)[:_LONGEST_DETAIL],
    )


def _tried(kind: kinds.Kind, settings: ConnectionSettings, *, timeout_s: float) -> Health:
    try:
        return kind.try_out(settings, timeout_s=timeout_s)
    except Exception as error:  # noqa: BLE001  it must not raise: one that does is told like one that found something
        _log.error("connection_probe_raised", connection=settings.name, kind=kind.name, error=type(error).__name__)
        return Health(is_well=False, detail=f"its probe failed: {type(error).__name__}")
