"""Notes which triggers an event concerns, in the transaction that publishes it; it starts nothing."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from automation.models import EventTrigger, TriggerFiring
from automation.trigger_models import FiringState, TriggerKind
from workflows.triggers import Occurrence


def note(events: Sequence[Occurrence], *, now: datetime) -> None:
    """This will write a firing for each trigger that an event is of interest to; whether it matches is seen later."""
    types = {event.type for event in events}
    rows = EventTrigger.objects.filter(Q(is_prefix=True) | Q(type__in=types), ended_at=None)
    triggers = list(rows.exclude(kind=TriggerKind.MISSING).order_by("id"))
    firings = [
        TriggerFiring(trigger=trigger, event=event.row, state=FiringState.PENDING, created_at=now)
        for event in events
        for trigger in triggers
        if is_met(trigger, event)
    ]
    if firings:
        TriggerFiring.objects.bulk_create(firings, ignore_conflicts=True)


def is_met(trigger: EventTrigger, event: Occurrence) -> bool:
    """This will tell whether an event is of the type and the source that a trigger wants."""
    is_type = event.type.startswith(trigger.type) if trigger.is_prefix else event.type == trigger.type
    return is_type and trigger.source in ("", event.source)
