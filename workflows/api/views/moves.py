"""Moves of runs to another version, over HTTP: one run, or all running ones of a workflow."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from workflows import operations
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.repair_serializers import OutcomeSerializer
from workflows.api.serializers import ProblemPlaceSerializer
from workflows.models import Run
from workflows.operations.bulk_repairs import AT_ONCE, MOST_AT_ONCE


class MoveSerializer(serializers.Serializer[Any]):
    """Where a run is moved to, and why."""

    version = serializers.IntegerField(
        required=False, default=None, allow_null=True, min_value=1, help_text="Without it the one in use."
    )
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=1000)
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Only says what is in the way.")


class MoveManySerializer(MoveSerializer):
    """Which runs are moved."""

    workflow = serializers.CharField()
    from_version = serializers.IntegerField(required=False, default=None, allow_null=True, min_value=1)
    limit = serializers.IntegerField(required=False, default=AT_ONCE, min_value=1, max_value=MOST_AT_ONCE)


class MovedSerializer(serializers.Serializer[Any]):
    """A move that was made, or would be."""

    run = serializers.UUIDField(source="run_id")
    before = serializers.IntegerField(help_text="The version it had.")
    after = serializers.IntegerField()
    hindrances = ProblemPlaceSerializer(many=True, help_text="Why it cannot be moved; empty: it can.")


class MoveViewSet(ApiViewSet):
    """Moves to another version."""

    write_scope = Scope.RUNS_WRITE
    serializer_class = MovedSerializer
    queryset = Run.objects.none()

    @extend_schema(request=MoveSerializer, responses={200: MovedSerializer, **problems(400, 404, 409)})
    def create(self, request: Request, run_id: UUID) -> Response:
        """Have a waiting run go on with another version, if what it has done means the same there."""
        form = MoveSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        moved = operations.move_run(run_id=run_id, actor=actor_of(request), now=timezone.now(), **form.validated_data)
        return Response(MovedSerializer(moved).data)

    @extend_schema(request=MoveManySerializer, responses={200: OutcomeSerializer, **problems(400, 404)})
    def create_many(self, request: Request) -> Response:
        """Move the running runs of a workflow, the oldest first, each for itself; the counts add up."""
        form = MoveManySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        outcome = operations.move_matching(actor=actor_of(request), now=timezone.now(), **form.validated_data)
        return Response(OutcomeSerializer(outcome).data)
