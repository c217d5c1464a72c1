"""The call ledger over HTTP: search it, read a call, settle one of unknown outcome."""

from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import call_queries
from integrations import operations as integrations
from integrations.call_files import as_answer
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.call_forms import CallDetailSerializer, CallFilter, CallSerializer, SettleSerializer
from workflows.api.callers import actor_of
from workflows.api.pagination import LatestSentFirst


class CallViewSet(ApiViewSet):
    """Outbound calls of steps: one row each, whatever became of it."""

    write_scope = Scope.RESULTS_WRITE
    serializer_class = CallSerializer
    pagination_class = LatestSentFirst
    filterset_class = CallFilter
    queryset = call_queries.newest()

    def list(self, _request: Request) -> Response:
        """List calls, those first sent latest first."""
        return self.page_of(self.get_queryset().defer("output", "evidence"))

    @extend_schema(responses={200: CallDetailSerializer, **problems(404)})
    def retrieve(self, _request: Request, key: UUID) -> Response:
        """Read a call, with its evidence and output."""
        return Response(CallDetailSerializer(call_queries.get_call(key)).data)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, **problems(404)})
    def read_file(self, _request: Request, key: UUID, digest: str) -> HttpResponse:
        """Read a file that a call gave or left as evidence, such as a screenshot."""
        return as_answer(call_queries.get_file(key=key, digest=digest))

    @extend_schema(request=SettleSerializer, responses={200: CallDetailSerializer, **problems(400, 404, 409, 422)})
    def settle(self, request: Request, key: UUID) -> Response:
        """Say whether a call of unknown outcome has happened; its step goes by that when it is requeued.

        Nothing is sent for what happened: the step succeeds with the output. What did not happen may be sent.
        """
        form = SettleSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        finding = integrations.Finding(**form.validated_data)
        call = integrations.settle_call(key=key, finding=finding, actor=actor_of(request), now=timezone.now())
        return Response(CallDetailSerializer(call).data)
