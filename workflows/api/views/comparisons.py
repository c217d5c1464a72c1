"""Comparisons over HTTP: two runs, two versions of a workflow."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from workflows import comparing, queries, version_changes
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.comparison_serializers import ComparisonSerializer, VersionChangesSerializer
from workflows.models import Run, WorkflowVersion


class RunComparisonViewSet(ApiViewSet):
    """Two runs side by side."""

    serializer_class = ComparisonSerializer
    queryset = Run.objects.none()

    @extend_schema(responses={200: ComparisonSerializer, **problems(404)})
    def retrieve(self, _request: Request, run_id: UUID, other_id: UUID) -> Response:
        """Compare two runs: what they were given, the way they took, how long it took, what came out."""
        return Response(ComparisonSerializer(comparing.compare(left=run_id, right=other_id)).data)


class VersionComparisonViewSet(ApiViewSet):
    """Two versions of a workflow."""

    serializer_class = VersionChangesSerializer
    queryset = WorkflowVersion.objects.none()

    @extend_schema(responses={200: VersionChangesSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str, number: int, other: int) -> Response:
        """Say what has changed from one version to another: by steps and paths, and as text."""
        found = version_changes.between(workflow=queries.get_workflow(name=name), before=number, after=other)
        return Response(VersionChangesSerializer(found).data)
