"""Releases over HTTP: which versions starts get, a canary beside the one in use, its promotion and its end."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from workflows import operations, queries, releases
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.pagination import NewestNumberFirst
from workflows.api.release_forms import (
    PromoteSerializer,
    ReasonSerializer,
    ReleaseDetailSerializer,
    ReleaseSerializer,
    SetCanarySerializer,
)
from workflows.errors import UnknownWorkflow
from workflows.models import Release


class ReleaseViewSet(ApiViewSet):
    """Which versions the starts of a workflow get."""

    write_scope = Scope.DEFINITIONS_WRITE
    serializer_class = ReleaseSerializer
    pagination_class = NewestNumberFirst
    queryset = Release.objects.none()

    @extend_schema(responses={200: ReleaseSerializer(many=True), **problems(404)})
    def list(self, _request: Request, name: str) -> Response:
        """List what starts have got, the newest first: a promotion, a rollback or another share is a new release."""
        return self.page_of(releases.history_of(queries.get_workflow(name=name)))

    @extend_schema(responses={200: ReleaseDetailSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Read what starts get now; while a canary is under way with the figures of both versions."""
        current = releases.find_current(queries.get_workflow(name=name))
        if current is None:
            raise UnknownWorkflow(name)
        return _answer(current)

    @extend_schema(request=SetCanarySerializer, responses={200: ReleaseDetailSerializer, **problems(400, 404, 422)})
    def set_canary(self, request: Request, name: str) -> Response:
        """Give a share of the starts to a version, or change its share; the same again changes nothing."""
        form = SetCanarySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return _answer(
            operations.set_canary(
                workflow=name,
                canary=form.canary(),
                version=form.validated_data["version"],
                actor=actor_of(request),
                now=timezone.now(),
            )
        )

    @extend_schema(request=PromoteSerializer, responses={200: ReleaseDetailSerializer, **problems(400, 404, 409)})
    def promote(self, request: Request, name: str) -> Response:
        """Have all starts get the canary, or another version; the one in use already changes nothing."""
        form = PromoteSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return _answer(
            operations.promote(workflow=name, actor=actor_of(request), now=timezone.now(), **form.validated_data)
        )

    @extend_schema(request=ReasonSerializer, responses={200: ReleaseDetailSerializer, **problems(400, 404, 409)})
    def roll_back(self, request: Request, name: str) -> Response:
        """Take the canary back; its runs that are under way go on."""
        form = ReasonSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return _answer(
            operations.roll_back(workflow=name, actor=actor_of(request), now=timezone.now(), **form.validated_data)
        )


def _answer(release: Release) -> Response:
    release.trial = releases.trial_of(release)  # type: ignore[attr-defined]  # read by the serializer
    return Response(ReleaseDetailSerializer(release).data)
