"""Makes events of stored requests: published, matched and marked in one transaction, so that none is lost or twice."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction

from audit.events import Actor, ActorKind
from automation.inbound_models import DeliveryState
from automation.models import TriggerFiring, WebhookDelivery, WebhookSource
from automation.receiving.reading import Unreadable, read
from automation.verification.presets import PRESETS
from workflows import operations
from workflows.core.correlation import NewEvent
from workflows.errors import EventInvalid
from workflows.operations import events as publishing

log = structlog.get_logger(__name__)
BATCH = 50
_SHOWN = 200
_CHANGED = ("state", "delivery_id", "type", "event", "problem", "processed_at")


@dataclass(slots=True)
class _Case:
    """A request, and what it is."""

    row: WebhookDelivery
    events: Sequence[NewEvent] = ()


def process(*, now: datetime, most: int = BATCH) -> int:
    """This will read what has come, the earliest first, and give how much that was."""
    with transaction.atomic():
        unread = WebhookDelivery.objects.filter(state=DeliveryState.VERIFIED).order_by("id")
        rows = list(unread.select_for_update(skip_locked=True)[:most])
        if not rows:
            return 0
        sources = {one.name: one for one in WebhookSource.objects.filter(name__in={row.source for row in rows})}
        cases = [_case(row, source=sources.get(row.source)) for row in rows]
        for name, group in _by_source(cases).items():
            _publish(group, actor=Actor(kind=ActorKind.WEBHOOK, id=name), now=now)
        for row in rows:
            row.processed_at = now
        WebhookDelivery.objects.bulk_update(rows, _CHANGED)
    return len(rows)


def _case(row: WebhookDelivery, *, source: WebhookSource | None) -> _Case:
    preset = PRESETS.get(source.preset) if source is not None else None
    if source is None or preset is None:
        return _refused(row, problem=f"the source {row.source} was deleted")
    try:
        found = read(row, preset=preset, options=source.options)
        if isinstance(found, Unreadable):
            return _refused(row, problem=found.problem)
        publishing.check(found)
    except EventInvalid as error:
        return _refused(row, problem=str(error))
    except DatabaseError:
        raise
    except Exception as error:  # what somebody sends must not hold up all the others
        log.exception("webhook_unreadable", delivery=str(row.id), source=row.source)
        return _refused(row, problem=f"it cannot be read: {type(error).__name__}")
    row.delivery_id = found[0].id
    row.type = ", ".join(dict.fromkeys(event.type for event in found))[:_SHOWN]
    return _Case(row=row, events=found)


def _refused(row: WebhookDelivery, *, problem: str) -> _Case:
    row.state, row.problem = DeliveryState.REFUSED, problem[:500].replace("\0", "")
    return _Case(row=row)


def _by_source(cases: Sequence[_Case]) -> Mapping[str, Sequence[_Case]]:
    groups: defaultdict[str, list[_Case]] = defaultdict(list)
    for case in cases:
        if case.events:
            groups[case.row.source].append(case)
    return groups


def _publish(cases: Sequence[_Case], *, actor: Actor, now: datetime) -> None:
    told = iter(operations.publish_events([event for case in cases for event in case.events], actor=actor, now=now))
    groups = [[next(told) for _ in case.events] for case in cases]
    triggered = _triggered({one.row for group in groups for one in group if one.is_new})
    for case, group in zip(cases, groups, strict=True):
        case.row.event = group[0].row
        if not any(one.is_new for one in group):
            case.row.state = DeliveryState.DUPLICATE
        elif any(one.is_new and (one.waiting or one.row in triggered) for one in group):
            case.row.state = DeliveryState.MATCHED
        else:
            case.row.state = DeliveryState.UNMATCHED


def _triggered(events: set[UUID]) -> set[UUID]:
    rows = TriggerFiring.objects.filter(event__in=events).order_by("event")
    return set(rows.values_list("event", flat=True)) if events else set()
