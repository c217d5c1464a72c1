"""Results set by hand, over HTTP."""

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
from workflows.api.serializers import RunDetailSerializer
from workflows.models import Run


class SetResultSerializer(serializers.Serializer[Any]):
    """What a step or item is to have come to, and why."""

    output = serializers.JSONField(allow_null=True)
    reason = serializers.CharField(max_length=1000)
    index = serializers.IntegerField(
        required=False, default=None, allow_null=True, min_value=0, help_text="Which item of a for_each."
    )


class ResultViewSet(ApiViewSet):
    """Results of steps."""

    write_scope = Scope.RESULTS_WRITE
    serializer_class = RunDetailSerializer
    queryset = Run.objects.none()

    @extend_schema(request=SetResultSerializer, responses={200: RunDetailSerializer, **problems(400, 404, 409, 422)})
    def create(self, request: Request, run_id: UUID, step: str) -> Response:
        """Have a step that failed, waits or is under way succeed with this output; its run goes on from there.

        Nothing is called for it. What a worker that has it still brings is recorded as discarded.
        """
        form = SetResultSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        wanted = operations.SetResult(step=step, output=given["output"], reason=given["reason"], index=given["index"])
        run = operations.set_result(run_id=run_id, wanted=wanted, actor=actor_of(request), now=timezone.now())
        return Response(RunDetailSerializer(run).data)
