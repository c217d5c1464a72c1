"""The paths of schedules, under /api/v1/."""

from django.urls import path

from automation.api.alerts import AlertRuleViewSet, AlertViewSet
from automation.api.views import (
    BackfillViewSet,
    CalendarViewSet,
    FireViewSet,
    ScheduleActionViewSet,
    ScheduleViewSet,
)

urlpatterns = [
    path("schedules", ScheduleViewSet.as_view({"get": "list", "post": "create"})),
    path("schedules/<int:schedule_id>", ScheduleViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("schedules/<int:schedule_id>/policies", ScheduleViewSet.as_view({"put": "policies"})),
    path("schedules/<int:schedule_id>/pause", ScheduleActionViewSet.as_view({"post": "pause"})),
    path("schedules/<int:schedule_id>/resume", ScheduleActionViewSet.as_view({"post": "resume"})),
    path("schedules/<int:schedule_id>/trigger", ScheduleActionViewSet.as_view({"post": "trigger"})),
    path("schedules/<int:schedule_id>/preview", ScheduleActionViewSet.as_view({"get": "preview"})),
    path("schedules/<int:schedule_id>/fires", FireViewSet.as_view({"get": "list"})),
    path("schedules/<int:schedule_id>/backfills", BackfillViewSet.as_view({"get": "list", "post": "create"})),
    path("backfills/<int:backfill_id>", BackfillViewSet.as_view({"get": "retrieve"})),
    path("backfills/<int:backfill_id>/stop", BackfillViewSet.as_view({"post": "stop"})),
    path("alerts", AlertViewSet.as_view({"get": "list"})),
    path("alert-rules", AlertRuleViewSet.as_view({"get": "list"})),
    path(
        "alert-rules/<slug:name>", AlertRuleViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"})
    ),
    path("calendars", CalendarViewSet.as_view({"get": "list"})),
    path("calendars/<slug:name>", CalendarViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"})),
]
