"""The paths of schedules, alerts, connections, secrets and webhooks, under /api/v1/."""

from django.urls import path

from automation.api.alerts import AlertRuleViewSet, AlertViewSet
from automation.api.connections import ConnectionKindViewSet, ConnectionProbeViewSet, ConnectionViewSet
from automation.api.outgoing import EndpointViewSet, MessageViewSet
from automation.api.secrets import SecretViewSet
from automation.api.views import (
    BackfillViewSet,
    CalendarViewSet,
    FireViewSet,
    ScheduleActionViewSet,
    ScheduleViewSet,
)
from automation.api.webhooks import (
    DeliveryViewSet,
    RefusalViewSet,
    SourceViewSet,
    TriggerViewSet,
)

urlpatterns = [
    path("schedules", ScheduleViewSet.as_view({"get": "list", "post": "create"})),
    path("schedules/<int:schedule_id>", ScheduleViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("schedules/<int:schedule_id>/policies", ScheduleViewSet.as_view({"put": "policies"})),
    path("schedules/<int:schedule_id>/pause", ScheduleActionViewSet.as_view({"post": "pause"})),
    path("schedules/<int:schedule_id>/resume", ScheduleActionViewSet.as_view({"post": "resume"})),
    path("schedules/<int:schedule_id>/trigger", ScheduleActionViewSet.as_view({"post": "trigger"})),
    path("schedules/<int:schedule_id>/preview", ScheduleActionViewSet.as_view({"get": "preview"})),
    path("schedules/<int:schedule_id>/why", ScheduleActionViewSet.as_view({"get": "why"})),
    path("schedules/<int:schedule_id>/fires", FireViewSet.as_view({"get": "list"})),
    path("schedules/<int:schedule_id>/backfills", BackfillViewSet.as_view({"get": "list", "post": "create"})),
    path("backfills/<int:backfill_id>", BackfillViewSet.as_view({"get": "retrieve"})),
    path("backfills/<int:backfill_id>/stop", BackfillViewSet.as_view({"post": "stop"})),
    path("alerts", AlertViewSet.as_view({"get": "list"})),
    path("alert-rules", AlertRuleViewSet.as_view({"get": "list"})),
    path(
        "alert-rules/<slug:name>", AlertRuleViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"})
    ),
    path("connections", ConnectionViewSet.as_view({"get": "list"})),
    path("connections/<slug:name>", ConnectionViewSet.as_view({"get": "retrieve", "put": "update"})),
    path("connections/<slug:name>/probe", ConnectionProbeViewSet.as_view({"post": "create"})),
    path("connection-kinds", ConnectionKindViewSet.as_view({"get": "list"})),
    path("secrets", SecretViewSet.as_view({"get": "list"})),
    path("secrets/<slug:name>", SecretViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"})),
    path("webhook-sources", SourceViewSet.as_view({"get": "list"})),
    path(
        "webhook-sources/<slug:name>", SourceViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"})
    ),
    path("webhook-deliveries", DeliveryViewSet.as_view({"get": "list"})),
    path("webhook-deliveries/replay", DeliveryViewSet.as_view({"post": "replay"})),
    path("webhook-deliveries/<uuid:delivery_id>", DeliveryViewSet.as_view({"get": "retrieve"})),
    path("webhook-refusals", RefusalViewSet.as_view({"get": "list"})),
    path("webhook-endpoints", EndpointViewSet.as_view({"get": "list"})),
    path(
        "webhook-endpoints/<slug:name>",
        EndpointViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
    ),
    path("webhook-messages", MessageViewSet.as_view({"get": "list"})),
    path("webhook-messages/redeliver", MessageViewSet.as_view({"post": "redeliver"})),
    path("webhook-messages/<uuid:message_id>", MessageViewSet.as_view({"get": "retrieve"})),
    path("triggers", TriggerViewSet.as_view({"get": "list"})),
    path("calendars", CalendarViewSet.as_view({"get": "list"})),
    path("calendars/<slug:name>", CalendarViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"})),
]
