"""Asks the tables and stores about what comes in, goes out and must agree; it judges and changes nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Min
from django.utils.module_loading import import_string

from automation import schedule_queries
from automation.doctor.evidence import Outside
from automation.inbound import queries as inbound
from automation.models import TriggerFiring, WebhookDelivery, WebhookEndpoint, WebhookMessage
from automation.outbound import queries as outbound
from automation.outbound_models import MessageState
from automation.trigger_models import FiringState
from integrations import secret_health
from workflows.core import identity

_HOURS = 2
_MANY = 10
_FAILING = timedelta(hours=1)
_OVERDUE = timedelta(hours=1)
_NEVER = datetime.min.replace(tzinfo=UTC)


def outside(*, now: datetime) -> Outside:
    """This will gather what the tables say, and try all secrets that are referred to."""
    sources = list(inbound.sources().filter(is_enabled=True))
    endpoints = list(outbound.endpoints())
    users = {reference: f"of source {one.name}" for one in sources for reference in one.secrets}
    users |= {reference: f"of endpoint {one.name}" for one in endpoints for reference in one.secrets if one.is_enabled}
    health = secret_health.look({**users, **secret_health.references()})
    return Outside(
        has_sources=bool(sources),
        waiting_s=_waiting_s(now=now),
        refusing=_refusing({one.name for one in sources}, now=now),
        disabled={one.name: one.disabled_reason for one in endpoints if _was_given_up(one)},
        failing={
            one.name: one.failing_since
            for one in endpoints
            if one.is_enabled and one.failing_since is not None and one.failing_since < now - _FAILING
        },
        stores_away=health.away,
        secrets_missing=health.missing,
        overdue=_overdue(now=now),
    )


def _was_given_up(endpoint: WebhookEndpoint) -> bool:
    return not endpoint.is_enabled and endpoint.disabled_at is not None


def _waiting_s(*, now: datetime) -> Mapping[str, float]:
    """For how long the oldest has waited of each thing that a receiver does."""
    due = WebhookMessage.objects.filter(state=MessageState.PENDING, endpoint__is_enabled=True, due_at__lte=now)
    oldest = {
        "requests": WebhookDelivery.objects.filter(state="verified").aggregate(at=Min("received_at"))["at"],
        "triggers": TriggerFiring.objects.filter(state=FiringState.PENDING).aggregate(at=Min("created_at"))["at"],
        "webhooks": due.aggregate(at=Min("due_at"))["at"],
    }
    return {part: (now - at).total_seconds() for part, at in oldest.items() if at is not None}


def _refusing(names: set[str], *, now: datetime) -> Mapping[str, tuple[int, str]]:
    """Sources that have refused much in the latest hours and taken nothing, with the most frequent reason."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=_HOURS - 1)
    earliest = identity.run_id(unix_ms=int(since.timestamp() * 1000), random_bytes=bytes(10))
    counts: dict[str, dict[str, int]] = {}
    for row in inbound.refusals(now=now, hours=_HOURS):
        if row.source in names:
            reasons = counts.setdefault(row.source, {})
            reasons[row.reason] = reasons.get(row.reason, 0) + row.count
    return {
        name: (sum(reasons.values()), max(sorted(reasons), key=lambda reason: reasons[reason]))
        for name, reasons in counts.items()
        if sum(reasons.values()) >= _MANY and not WebhookDelivery.objects.filter(source=name, id__gte=earliest).exists()
    }


def _overdue(*, now: datetime) -> Mapping[str, datetime]:
    """The app that knows of comparisons is beside this one: settings say where to ask."""
    ask = import_string(settings.COMPARISONS_ENDED)
    ended: Mapping[str, tuple[str, datetime | None]] = ask()  # workflow -> job, latest beginning
    latest = schedule_queries.latest_dues(names=set(ended))
    return {
        job: latest[workflow]
        for workflow, (job, begun_at) in ended.items()
        if workflow in latest and latest[workflow] < now - _OVERDUE and (begun_at or _NEVER) < latest[workflow]
    }
