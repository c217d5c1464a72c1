"""Incidents and poison messages over HTTP: list, read, assign, resolve by trying again, discard."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from workflows import incident_queries, operations
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.filters import IncidentFilter, PoisonMessageFilter
from workflows.api.pagination import LatestSeenFirst, NewestNumberFirst
from workflows.api.repair_serializers import (
    AssignSerializer,
    IncidentSerializer,
    OutcomeSerializer,
    PoisonMessageSerializer,
    ResolveSerializer,
)
from workflows.api.serializers import DiscardSerializer
from workflows.core.selection import Selection
from workflows.models import Incident, PoisonMessage


class IncidentViewSet(ApiViewSet):
    """Equal failures, each kind once."""

    write_scope = Scope.DEAD_LETTERS_WRITE
    serializer_class = IncidentSerializer
    pagination_class = LatestSeenFirst
    filterset_class = IncidentFilter
    queryset = Incident.objects.order_by("-last_seen_at", "fingerprint")

    def list(self, _request: Request) -> Response:
        """List incidents, the latest seen first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(_shown(page, many=True))

    @extend_schema(responses={200: IncidentSerializer, **problems(404)})
    def retrieve(self, _request: Request, fingerprint: str) -> Response:
        """Read an incident."""
        return Response(_shown(incident_queries.get_incident(found=fingerprint)))

    @extend_schema(request=AssignSerializer, responses={200: IncidentSerializer, **problems(400, 404)})
    def assign(self, request: Request, fingerprint: str) -> Response:
        """Say who looks after it."""
        wanted = AssignSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        incident = operations.assign_incident(
            found=fingerprint, owner=wanted.validated_data["owner"], actor=actor_of(request), now=timezone.now()
        )
        return Response(_shown(incident))

    @extend_schema(request=ResolveSerializer, responses={200: OutcomeSerializer, **problems(400, 404)})
    def resolve(self, request: Request, fingerprint: str) -> Response:
        """Try its open failures again. It becomes `resolved` by itself when they have succeeded, and not before."""
        wanted = ResolveSerializer(data=request.data or {})
        wanted.is_valid(raise_exception=True)
        incident = incident_queries.get_incident(found=fingerprint)
        outcome = operations.requeue_matching(
            Selection(incident=incident.fingerprint),
            actor=actor_of(request),
            now=timezone.now(),
            per_second=wanted.validated_data["per_second"],
        )
        return Response(OutcomeSerializer(outcome).data)

    @extend_schema(request=DiscardSerializer, responses={200: OutcomeSerializer, **problems(400, 404)})
    def discard(self, request: Request, fingerprint: str) -> Response:
        """Give its open failures up, for a reason."""
        wanted = DiscardSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        incident = incident_queries.get_incident(found=fingerprint)
        outcome = operations.discard_matching(
            Selection(incident=incident.fingerprint),
            actor=actor_of(request),
            now=timezone.now(),
            reason=wanted.validated_data["reason"],
        )
        return Response(OutcomeSerializer(outcome).data)


class PoisonMessageViewSet(ApiViewSet):
    """Messages that no worker could take."""

    write_scope = Scope.DEAD_LETTERS_WRITE
    serializer_class = PoisonMessageSerializer
    pagination_class = NewestNumberFirst
    filterset_class = PoisonMessageFilter
    queryset = PoisonMessage.objects.order_by("-id")

    def list(self, _request: Request) -> Response:
        """List poison messages, the newest first."""
        return self.page_of(self.get_queryset())

    @extend_schema(request=DiscardSerializer, responses={200: PoisonMessageSerializer, **problems(400, 404, 409)})
    def discard(self, request: Request, message_id: int) -> Response:
        """Mark it as looked at, for a reason."""
        wanted = DiscardSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        row = operations.discard_message(
            message_id=message_id,
            actor=actor_of(request),
            now=timezone.now(),
            reason=wanted.validated_data["reason"],
        )
        return Response(PoisonMessageSerializer(row).data)


def _shown(found: Any, *, many: bool = False) -> Any:  # Any: one incident or several, and what a form makes of them
    tallies = incident_queries.tallies(found if many else [found])
    return IncidentSerializer(found, many=many, context={"tallies": tallies}).data
