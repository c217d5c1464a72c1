"""Webhook deliveries as a class of data: divided by month, and kept for as long as the setting says."""

import dataclasses

from django.conf import settings

from retention.classes import DataClass, Divided
from retention.core.months import KeyKind
from workflows.history import EVENTS as _EVENTS

_UNREAD = """
select count(*) from automation_webhook_delivery
where id >= %(begin)s::uuid and id < %(end)s::uuid and state = 'verified'
"""
_HELD = """
select delivery.id from automation_webhook_delivery as delivery
where delivery.id >= %(begin)s::uuid and delivery.id < %(end)s::uuid and (
    exists (
        select from workflows_event as event
        where event.id = delivery.event and event.key = any(%(correlations)s::text[]))
    or exists (
        select from automation_trigger_firing as firing
        join workflows_run as run on run.id = firing.run_id
        where firing.event = delivery.event and (
            run.id::text = any(%(runs)s::text[]) or run.workflow_name = any(%(workflows)s::text[])
            or run.correlation_id = any(%(correlations)s::text[]))))
"""
"""Held by the key of its event, or by a run that it started."""

WEBHOOKS = DataClass(
    name="webhooks",
    kind=KeyKind.UUID7,
    tables=(Divided(name="automation_webhook_delivery", key="id", match="id"),),
    months=lambda: settings.RETENTION_WEBHOOKS_MONTHS,
    busy=_UNREAD,
    kept=_HELD,
)
_UNSENT = """
select ({events}) + (
    select count(*) from automation_trigger_firing
    where event >= %(begin)s::uuid and event < %(end)s::uuid and state = 'pending') + (
    select count(*) from automation_webhook_message
    where event >= %(begin)s::uuid and event < %(end)s::uuid and state = 'pending')
"""
EVENTS = dataclasses.replace(
    _EVENTS,
    tables=(
        *_EVENTS.tables,
        Divided(name="automation_trigger_firing", key="event", match="event"),
        Divided(name="automation_webhook_message", key="event", match="event"),
    ),
    busy=_UNSENT.format(events=_EVENTS.busy),
)
"""Events, with what became of them at triggers, and to whom they were sent."""
