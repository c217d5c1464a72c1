"""The paths of the engine's API, under /api/v1/."""

from django.urls import path

from workflows.api.views.approvals import ApprovalViewSet
from workflows.api.views.calls import CallViewSet
from workflows.api.views.comparisons import RunComparisonViewSet, VersionComparisonViewSet
from workflows.api.views.dead_letters import DeadLetterViewSet
from workflows.api.views.events import CloudEventViewSet
from workflows.api.views.incidents import IncidentViewSet, PoisonMessageViewSet
from workflows.api.views.limits import LimitViewSet
from workflows.api.views.moves import MoveViewSet
from workflows.api.views.pauses import PauseViewSet
from workflows.api.views.releases import ReleaseViewSet
from workflows.api.views.results import ResultViewSet
from workflows.api.views.retries import RetryViewSet
from workflows.api.views.run_parts import (
    AttemptViewSet,
    ChildViewSet,
    EventViewSet,
    ItemViewSet,
    PlanViewSet,
    StepViewSet,
)
from workflows.api.views.runs import RunViewSet
from workflows.api.views.schemas import definition_schema
from workflows.api.views.tasks import TaskViewSet
from workflows.api.views.workflows import VersionViewSet, WorkflowViewSet

urlpatterns = [
    path("runs", RunViewSet.as_view({"get": "list", "post": "create"}), name="runs"),
    path("runs/<uuid:run_id>", RunViewSet.as_view({"get": "retrieve"}), name="run"),
    path("runs/<uuid:run_id>/cancel", RunViewSet.as_view({"post": "cancel"})),
    path("runs/<uuid:run_id>/undo", RunViewSet.as_view({"post": "undo"})),
    path("runs/<uuid:run_id>/why", RunViewSet.as_view({"get": "why"})),
    path("runs/<uuid:run_id>/compare/<uuid:other_id>", RunComparisonViewSet.as_view({"get": "retrieve"})),
    path("runs/move", MoveViewSet.as_view({"post": "create_many"})),
    path("runs/<uuid:run_id>/move", MoveViewSet.as_view({"post": "create"})),
    path("runs/retry", RetryViewSet.as_view({"post": "create_many"})),
    path("runs/<uuid:run_id>/retry", RetryViewSet.as_view({"post": "create"})),
    path("runs/<uuid:run_id>/steps", StepViewSet.as_view({"get": "list"})),
    path("runs/<uuid:run_id>/steps/<str:step>/result", ResultViewSet.as_view({"post": "create"})),
    path("runs/<uuid:run_id>/steps/<str:step>/items", ItemViewSet.as_view({"get": "list"})),
    path("runs/<uuid:run_id>/children", ChildViewSet.as_view({"get": "list"})),
    path("runs/<uuid:run_id>/plans", PlanViewSet.as_view({"get": "list"})),
    path("runs/<uuid:run_id>/attempts", AttemptViewSet.as_view({"get": "list"})),
    path("runs/<uuid:run_id>/events", EventViewSet.as_view({"get": "list"})),
    path("workflows", WorkflowViewSet.as_view({"get": "list", "post": "create"})),
    path("workflows/check", WorkflowViewSet.as_view({"post": "check"})),
    path("workflows/<slug:name>", WorkflowViewSet.as_view({"get": "retrieve"})),
    path("workflows/<slug:name>/enable", WorkflowViewSet.as_view({"post": "enable"})),
    path("workflows/<slug:name>/disable", WorkflowViewSet.as_view({"post": "disable"})),
    path("workflows/<slug:name>/release", ReleaseViewSet.as_view({"get": "retrieve"})),
    path("workflows/<slug:name>/releases", ReleaseViewSet.as_view({"get": "list"})),
    path("workflows/<slug:name>/canary", ReleaseViewSet.as_view({"put": "set_canary"})),
    path("workflows/<slug:name>/promote", ReleaseViewSet.as_view({"post": "promote"})),
    path("workflows/<slug:name>/rollback", ReleaseViewSet.as_view({"post": "roll_back"})),
    path("workflows/<slug:name>/versions", VersionViewSet.as_view({"get": "list"})),
    path(
        "workflows/<slug:name>/versions/<int:number>",
        VersionViewSet.as_view({"get": "retrieve"}),
        name="workflow-version",
    ),
    path(
        "workflows/<slug:name>/versions/<int:number>/compare/<int:other>",
        VersionComparisonViewSet.as_view({"get": "retrieve"}),
    ),
    path("dead-letters", DeadLetterViewSet.as_view({"get": "list"})),
    path("dead-letters/<int:dead_letter_id>", DeadLetterViewSet.as_view({"get": "retrieve"})),
    path("dead-letters/<int:dead_letter_id>/requeue", DeadLetterViewSet.as_view({"post": "requeue"})),
    path("dead-letters/<int:dead_letter_id>/discard", DeadLetterViewSet.as_view({"post": "discard"})),
    path("dead-letters/requeue", DeadLetterViewSet.as_view({"post": "requeue_many"})),
    path("dead-letters/discard", DeadLetterViewSet.as_view({"post": "discard_many"})),
    path("incidents", IncidentViewSet.as_view({"get": "list"})),
    path("incidents/<str:fingerprint>", IncidentViewSet.as_view({"get": "retrieve"})),
    path("incidents/<str:fingerprint>/assign", IncidentViewSet.as_view({"post": "assign"})),
    path("incidents/<str:fingerprint>/resolve", IncidentViewSet.as_view({"post": "resolve"})),
    path("incidents/<str:fingerprint>/discard", IncidentViewSet.as_view({"post": "discard"})),
    path("poison-messages", PoisonMessageViewSet.as_view({"get": "list"})),
    path("poison-messages/<int:message_id>/discard", PoisonMessageViewSet.as_view({"post": "discard"})),
    path("limits", LimitViewSet.as_view({"get": "list"})),
    path("limits/<slug:name>", LimitViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"})),
    path("pauses", PauseViewSet.as_view({"get": "list", "post": "create"})),
    path("pauses/resume", PauseViewSet.as_view({"post": "resume"})),
    path("events", CloudEventViewSet.as_view({"get": "list", "post": "create"})),
    path("events/<uuid:event_id>", CloudEventViewSet.as_view({"get": "retrieve"}), name="event"),
    path("calls", CallViewSet.as_view({"get": "list"})),
    path("calls/<uuid:key>/files/<str:digest>", CallViewSet.as_view({"get": "read_file"})),
    path("calls/<uuid:key>", CallViewSet.as_view({"get": "retrieve"}), name="call"),
    path("calls/<uuid:key>/settle", CallViewSet.as_view({"post": "settle"})),
    path("approvals", ApprovalViewSet.as_view({"get": "list"})),
    path("approvals/<int:request_id>", ApprovalViewSet.as_view({"get": "retrieve"})),
    path("approvals/<int:request_id>/decide", ApprovalViewSet.as_view({"post": "decide"})),
    path("approvals/<int:request_id>/delegate", ApprovalViewSet.as_view({"post": "delegate"})),
    path("approvals/<int:request_id>/link", ApprovalViewSet.as_view({"post": "link"})),
    path("tasks", TaskViewSet.as_view({"get": "list"})),
    path("tasks/<int:request_id>", TaskViewSet.as_view({"get": "retrieve"})),
    path("tasks/<int:request_id>/claim", TaskViewSet.as_view({"post": "claim"})),
    path("tasks/<int:request_id>/unclaim", TaskViewSet.as_view({"post": "unclaim"})),
    path("tasks/<int:request_id>/complete", TaskViewSet.as_view({"post": "complete"})),
    path("tasks/<int:request_id>/delegate", TaskViewSet.as_view({"post": "delegate"})),
    path("tasks/<int:request_id>/link", TaskViewSet.as_view({"post": "link"})),
    path("schema/definition.json", definition_schema, name="definition-schema"),
]
