"""Sends messages that are due: claims a row, calls with no transaction open, marks it. Any number may run.

A process that dies between sending and marking leaves its claim to run out: the message is sent once more, with the
same id. An endpoint that is slow holds up no other: each has a few places only.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import timezone

from audit.events import Actor, ActorKind
from automation.models import WebhookEndpoint, WebhookMessage
from automation.outbound import deciding, endpoints, formats, signing
from automation.outbound.deciding import Later
from automation.outbound_models import Format, MessageState
from integrations import credentials, operations
from integrations.contract import CallContext
from integrations.errors import CallFailed, IntegrationError, Postponed
from workflows import event_queries
from workflows.core.definition import JsonObject

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
_ENGINE = Actor(kind=ActorKind.ENGINE)
_PLACES = 2
_LOGGED = 20
_LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an attempt came to. `status` 0: there was no answer. `is_final`: another attempt would come to the same."""

    status: int = 0
    is_final: bool = False
    error: str = ""
    asked_s: float | None = None
    postponed_s: float | None = None

    @property
    def is_delivered(self) -> bool:
        """This will tell whether the receiver has it."""
        return not self.error and self.postponed_s is None


class Sender:
    """What the threads of a process share: how many messages of each endpoint are on their way."""

    def __init__(self, *, clock: Callable[[], datetime] = timezone.now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._busy: Counter[int] = Counter()

    def send_one(self) -> int:
        """This will send one message that is due, if there is one; gives how many were tried."""
        row = self._claim()
        if row is None:
            return 0
        began = time.monotonic()
        try:
            outcome = _attempt(row, now=self._clock())
        finally:
            with self._lock:
                self._busy[row.endpoint_id] -= 1
        _mark(row, outcome, seconds=time.monotonic() - began, now=self._clock())
        return 1

    def _claim(self) -> WebhookMessage | None:
        now = self._clock()
        with self._lock:
            full = [endpoint for endpoint, count in self._busy.items() if count >= _PLACES]
            due = WebhookMessage.objects.filter(state=MessageState.PENDING, due_at__lte=now).order_by("due_at")
            with transaction.atomic():
                rows = due.exclude(endpoint_id__in=full).select_related("endpoint")
                row = rows.select_for_update(skip_locked=True, of=("self",)).first()
                if row is None:
                    return None
                until = now + timedelta(seconds=2 * settings.WEBHOOK_TIMEOUT_S + 10)
                changed = {"attempts": F("attempts") + 1, "claim": F("claim") + 1, "due_at": until}
                WebhookMessage.objects.filter(id=row.id).update(**changed)
            self._busy[row.endpoint_id] += 1
        row.attempts += 1
        row.claim += 1
        return row


def _attempt(row: WebhookMessage, *, now: datetime) -> Outcome:
    """Whatever happens is an outcome: one message must not hold up all the others."""
    endpoint = row.endpoint
    if not endpoint.is_enabled:
        return Outcome(error="the endpoint is disabled", is_final=True)
    event = event_queries.documents([row.event]).get(row.event)
    if event is None:
        return Outcome(error="its event is not kept any more", is_final=True)
    try:
        return Outcome(status=_status(_call(row, event=event, now=now)))
    except Postponed as error:
        return Outcome(postponed_s=error.delay_s)
    except CallFailed as error:
        return _failed(error)
    except (IntegrationError, ValueError) as error:
        return Outcome(error=_unsigned(error))
    except DatabaseError:
        raise
    except Exception as error:
        log.exception("webhook_message_failed", message=str(row.id), endpoint=endpoint.name)
        return Outcome(error=type(error).__name__)


def _call(row: WebhookMessage, *, event: JsonObject, now: datetime) -> object:
    endpoint = row.endpoint
    told, body = formats.write(event, kind=row.type, form=Format(endpoint.format))
    secrets = [credentials.resolve(one, connection=f"endpoint {endpoint.name}") for one in endpoint.secrets]
    signed = signing.headers(
        message_id=f"msg_{row.id.hex}", at=int(now.timestamp()), body=body.encode(), secrets=secrets
    )
    return operations.call(
        uses="http.request",
        connection=endpoint.connection or None,
        inputs=_inputs(endpoint, body=body, headers={**told, **signed}),
        context=_context(row),
    )


def _failed(error: CallFailed) -> Outcome:
    """Who has taken it, has it: what was answered besides is of no interest."""
    found = error.evidence.get("status")
    status = found if isinstance(found, int) else 0
    if error.evidence.get("happened") and 200 <= status < 300:
        return Outcome(status=status)
    is_gone = status == deciding.GONE
    return Outcome(status=status, error=error.message, asked_s=error.retry_after_s, is_final=is_gone)


def _inputs(endpoint: WebhookEndpoint, *, body: str, headers: Mapping[str, str]) -> Mapping[str, object]:
    return {
        "method": "POST",
        "path" if endpoint.connection else "url": endpoint.url,
        "headers": headers,
        "body": body,
    }


def _context(row: WebhookMessage) -> CallContext:
    return CallContext(
        idempotency_key=f"msg_{row.id.hex}",
        timeout_s=settings.WEBHOOK_TIMEOUT_S,
        attempt=row.attempts,
        run_id="",
        step="webhook",
        correlation_id=str(row.event),
    )


def _mark(row: WebhookMessage, outcome: Outcome, *, seconds: float, now: datetime) -> None:
    """Only who still holds the claim writes; failures count on the endpoint, and the first success ends them."""
    entry = {
        "at": now.isoformat(timespec="milliseconds"),
        "status": outcome.status,
        "seconds": round(seconds, 3),
        "error": outcome.error[:_LONGEST_ERROR].replace("\0", ""),
    }
    ours = WebhookMessage.objects.filter(id=row.id, claim=row.claim, state=MessageState.PENDING)
    if outcome.postponed_s is not None:
        ours.update(attempts=F("attempts") - 1, due_at=now + timedelta(seconds=outcome.postponed_s))
        return
    logged = [*row.log, entry][-_LOGGED:]
    endpoint = WebhookEndpoint.objects.filter(id=row.endpoint_id)
    with transaction.atomic():
        if outcome.is_delivered:
            if ours.update(state=MessageState.DELIVERED, ended_at=now, log=logged):
                endpoint.exclude(failing_since=None).update(failing_since=None)
            return
        follows = deciding.after_failure(attempts=row.attempts, chance=random.random(), asked_s=outcome.asked_s)  # noqa: S311  no secret
        if isinstance(follows, Later) and not outcome.is_final:
            is_ours = ours.update(due_at=now + timedelta(seconds=follows.delay_s), log=logged)
        else:
            is_ours = ours.update(state=MessageState.DEAD, ended_at=now, log=logged)
        if is_ours and (not outcome.is_final or outcome.status == deciding.GONE):
            _note_failure(row, outcome, now=now)


def _note_failure(row: WebhookMessage, outcome: Outcome, *, now: datetime) -> None:
    """Gone is gone; who has failed for days without one success is left alone, until somebody enables it."""
    WebhookEndpoint.objects.filter(id=row.endpoint_id, failing_since=None).update(failing_since=now)
    since, days = row.endpoint.failing_since, settings.WEBHOOK_DISABLE_DAYS
    if outcome.status == deciding.GONE:
        endpoints.disable(row.endpoint_id, reason="the receiver says that it is gone (410)", actor=_ENGINE, now=now)
    elif deciding.is_given_up(failing_since=since, now=now, days=days):
        reason = f"it has failed for {days} days without one success"
        endpoints.disable(row.endpoint_id, reason=reason, actor=_ENGINE, now=now)


def _status(answer: object) -> int:
    status = answer.get("status") if isinstance(answer, Mapping) else None
    return status if isinstance(status, int) else 200


def _unsigned(error: Exception) -> str:
    """A secret that is wrong is never told."""
    return str(error) if isinstance(error, IntegrationError) else f"a secret of the endpoint {signing.HINT}"
