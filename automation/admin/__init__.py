"""Who may start work and when, in the admin: tokens, schedules, webhooks; every change is one operation."""

from automation.admin import event_relations
from automation.admin.alerts import AlertAdmin, AlertRuleAdmin
from automation.admin.calendars import CalendarAdmin
from automation.admin.outgoing import WebhookEndpointAdmin, WebhookMessageAdmin
from automation.admin.schedules import ScheduleAdmin
from automation.admin.tokens import ApiTokenAdmin
from automation.admin.webhooks import (
    EventTriggerAdmin,
    WebhookDeliveryAdmin,
    WebhookRefusalAdmin,
    WebhookSourceAdmin,
)
from workflows.admin import related

related.register(event_relations.find)

__all__ = [
    "AlertAdmin",
    "AlertRuleAdmin",
    "ApiTokenAdmin",
    "CalendarAdmin",
    "EventTriggerAdmin",
    "ScheduleAdmin",
    "WebhookDeliveryAdmin",
    "WebhookEndpointAdmin",
    "WebhookMessageAdmin",
    "WebhookRefusalAdmin",
    "WebhookSourceAdmin",
]
