"""Pauses over HTTP: list, pause, resume."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from workflows import operations
from workflows.access import PAUSING, Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of, require_scope
from workflows.api.change_forms import (
    PauseListSerializer,
    PauseSerializer,
    PauseWantedSerializer,
    ResumedSerializer,
    ResumeSerializer,
)
from workflows.core.pausing import PauseScope
from workflows.models import Pause


class PauseViewSet(ApiViewSet):
    """What is paused: a run (`runs:write`), a workflow or connection (`definitions:write`), a lane or all (`admin`)."""

    write_scope = Scope.RUNS_WRITE
    serializer_class = PauseSerializer
    pagination_class = None

    @extend_schema(responses={200: PauseListSerializer})
    def list(self, _request: Request) -> Response:
        """List the pauses in force, the earliest first."""
        return Response({"results": PauseSerializer(Pause.objects.order_by("id"), many=True).data})

    @extend_schema(
        request=PauseWantedSerializer,
        responses={201: PauseSerializer, 200: PauseSerializer, **problems(400, 404, 409, 422)},
    )
    def create(self, request: Request) -> Response:
        """Pause: when it answers, no further step begins; steps under way end. Pausing again changes nothing."""
        wanted = PauseWantedSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = {**wanted.validated_data, "scope": PauseScope(wanted.validated_data["scope"])}
        require_scope(request, PAUSING[values["scope"]])
        row, is_new = operations.pause(operations.PauseWanted(**values), actor=actor_of(request), now=timezone.now())
        answer = PauseSerializer(row).data
        return Response(answer, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    @extend_schema(request=ResumeSerializer, responses={200: ResumedSerializer, **problems(400, 404)})
    def resume(self, request: Request) -> Response:
        """Resume: what waits goes on, at the pace of dispatch."""
        wanted = ResumeSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        scope = PauseScope(wanted.validated_data["scope"])
        require_scope(request, PAUSING[scope])
        given_back = operations.resume(
            scope=scope,
            name=wanted.validated_data["name"],
            reason=wanted.validated_data["reason"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response({"given_back": given_back})
