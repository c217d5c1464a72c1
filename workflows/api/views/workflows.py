"""Definitions over HTTP: publish, check, read, switch on and off."""

from collections.abc import Mapping

import orjson
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiRequest, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from workflows import operations, queries
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.errors import BodyInvalid
from workflows.api.formats import JsonParser, YamlParser
from workflows.api.pagination import ByName, VersionsFirst
from workflows.api.release_forms import ShareSerializer
from workflows.api.serializers import (
    CheckSerializer,
    SourceSerializer,
    VersionDetailSerializer,
    VersionSerializer,
    WorkflowSerializer,
)
from workflows.core.problems import DefinitionInvalid
from workflows.models import Workflow, WorkflowVersion

_BODY = {
    "application/json": OpenApiRequest(SourceSerializer),
    "application/yaml": OpenApiRequest(OpenApiTypes.STR),
}


class WorkflowViewSet(ApiViewSet):
    """Workflows."""

    write_scope = Scope.DEFINITIONS_WRITE
    parser_classes = (JsonParser, YamlParser)
    serializer_class = WorkflowSerializer
    pagination_class = ByName
    queryset = Workflow.objects.select_related("release__version", "release__canary").order_by("name")

    def list(self, _request: Request) -> Response:
        """List workflows by name."""
        return self.page_of(self.get_queryset())

    @extend_schema(responses={200: WorkflowSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Read one workflow."""
        return Response(WorkflowSerializer(queries.get_workflow(name=name)).data)

    @extend_schema(
        request=_BODY,
        parameters=[ShareSerializer],
        responses={201: VersionSerializer, 200: VersionSerializer, **problems(400, 422)},
    )
    def create(self, request: Request) -> Response:
        """Publish a definition: 201 with a new version, 200 when the newest version has this content.

        With `percent` only this share of the starts gets it.
        """
        version, is_new = operations.publish(
            source=_source(request), actor=actor_of(request), now=timezone.now(), canary=_canary(request)
        )
        place = reverse("workflow-version", args=[version.workflow.name, version.number])
        return Response(
            VersionSerializer(version).data,
            status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
            headers={"Location": place},
        )

    @extend_schema(request=_BODY, responses={200: CheckSerializer, **problems(400)})
    def check(self, request: Request) -> Response:
        """Check a definition without publishing it; the answer names every problem with line and column."""
        try:
            operations.check(_source(request))
        except DefinitionInvalid as error:
            return Response(CheckSerializer({"valid": False, "problems": error.problems}).data)
        return Response(CheckSerializer({"valid": True, "problems": []}).data)

    @extend_schema(request=None, responses={200: WorkflowSerializer, **problems(404)})
    def enable(self, request: Request, name: str) -> Response:
        """Allow new runs."""
        return self._switch(request, name=name, is_enabled=True)

    @extend_schema(request=None, responses={200: WorkflowSerializer, **problems(404)})
    def disable(self, request: Request, name: str) -> Response:
        """Refuse new runs; runs under way go on."""
        return self._switch(request, name=name, is_enabled=False)

    def _switch(self, request: Request, *, name: str, is_enabled: bool) -> Response:
        workflow = operations.set_enabled(name=name, is_enabled=is_enabled, actor=actor_of(request), now=timezone.now())
        return Response(WorkflowSerializer(workflow).data)


class VersionViewSet(ApiViewSet):
    """Versions of a workflow; they never change."""

    serializer_class = VersionSerializer
    pagination_class = VersionsFirst
    queryset = WorkflowVersion.objects.none()

    @extend_schema(responses={200: VersionSerializer(many=True), **problems(404)})
    def list(self, _request: Request, name: str) -> Response:
        """List versions, the newest first."""
        return self.page_of(queries.versions_of(workflow=queries.get_workflow(name=name)))

    @extend_schema(responses={200: VersionDetailSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str, number: int) -> Response:
        """Read one version with its definition and the segments it was cut into."""
        version = queries.get_version(workflow=queries.get_workflow(name=name), number=number)
        return Response(VersionDetailSerializer(version).data)


def _canary(request: Request) -> operations.Canary | None:
    if not request.query_params:
        return None
    form = ShareSerializer(data=request.query_params)
    form.is_valid(raise_exception=True)
    return form.canary()


def _source(request: Request) -> str:
    body = request.data
    if not isinstance(body, Mapping):
        raise BodyInvalid('the body must be a definition, or {"source": "..."} with its text')
    if "source" in body and "steps" not in body:
        checked = SourceSerializer(data=body)
        checked.is_valid(raise_exception=True)
        return str(checked.validated_data["source"])
    return orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()
