"""Retries over HTTP: one run, or all that a filter means."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from workflows import operations
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.repair_serializers import OutcomeSerializer
from workflows.api.retry_serializers import (
    RetriedSerializer,
    RetryManySerializer,
    RetrySerializer,
    selection_of,
    wanted_of,
)
from workflows.models import Run


class RetryViewSet(ApiViewSet):
    """Retries of runs that have ended."""

    write_scope = Scope.RUNS_WRITE
    serializer_class = RetriedSerializer
    queryset = Run.objects.none()

    @extend_schema(
        request=RetrySerializer,
        responses={200: RetriedSerializer, 201: RetriedSerializer, **problems(400, 404, 409, 422)},
    )
    def create(self, request: Request, run_id: UUID) -> Response:
        """Retry a run: from what failed, from a chosen step, or from the start; 201 when that is a new run.

        Steps that are executed in a new run are new executions with new keys. A dry run says which those are.
        """
        form = RetrySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = wanted_of(form.validated_data)
        if form.validated_data["dry_run"]:
            return Response(RetriedSerializer(operations.preview_retry(run_id=run_id, wanted=wanted)).data)
        done = operations.retry_run(run_id=run_id, wanted=wanted, actor=actor_of(request), now=timezone.now())
        code = status.HTTP_201_CREATED if done.is_new_run else status.HTTP_200_OK
        return Response(RetriedSerializer(done).data, status=code)

    @extend_schema(request=RetryManySerializer, responses={200: OutcomeSerializer, **problems(400)})
    def create_many(self, request: Request) -> Response:
        """Retry ended runs by filter, the oldest first, each for itself; the counts add up."""
        form = RetryManySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        outcome = operations.retry_matching(
            selection_of(given["filter"]),
            wanted=wanted_of(given),
            actor=actor_of(request),
            now=timezone.now(),
            per_second=given["per_second"],
            limit=given["limit"],
            dry_run=given["dry_run"],
        )
        return Response(OutcomeSerializer(outcome).data)
