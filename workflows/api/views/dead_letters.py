"""Dead letters over HTTP: list, read, requeue, discard; one, or all that match."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from workflows import operations, queries
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of, require_scope
from workflows.api.filters import DeadLetterFilter
from workflows.api.pagination import NewestNumberFirst
from workflows.api.repair_serializers import (
    DiscardManySerializer,
    OutcomeSerializer,
    RequeueManySerializer,
    RequeueSerializer,
    selection_of,
)
from workflows.api.serializers import DeadLetterDetailSerializer, DeadLetterSerializer, DiscardSerializer
from workflows.models import DeadLetter


class DeadLetterViewSet(ApiViewSet):
    """Steps and items that ran out of attempts, and runs that failed by themselves."""

    write_scope = Scope.DEAD_LETTERS_WRITE
    serializer_class = DeadLetterSerializer
    pagination_class = NewestNumberFirst
    filterset_class = DeadLetterFilter
    queryset = DeadLetter.objects.order_by("-id")

    def list(self, _request: Request) -> Response:
        """List dead letters, the newest first."""
        return self.page_of(self.get_queryset())

    @extend_schema(responses={200: DeadLetterDetailSerializer, **problems(404)})
    def retrieve(self, _request: Request, dead_letter_id: int) -> Response:
        """Read a dead letter with what it was called with."""
        letter = queries.get_dead_letter(dead_letter_id=dead_letter_id)
        return Response(DeadLetterDetailSerializer(letter).data)

    @extend_schema(request=RequeueSerializer, responses={200: DeadLetterSerializer, **problems(400, 404, 409, 422)})
    def requeue(self, request: Request, dead_letter_id: int) -> Response:
        """Try it again with fresh attempts and its old idempotency key; its run goes on."""
        payload = _checked(RequeueSerializer, request.data or {})["payload"]
        if payload is not None:
            require_scope(request, Scope.RUNS_WRITE)
        letter = operations.requeue_dead_letter(
            dead_letter_id=dead_letter_id, actor=actor_of(request), now=timezone.now(), payload=payload
        )
        return Response(DeadLetterSerializer(letter).data)

    @extend_schema(request=DiscardSerializer, responses={200: DeadLetterSerializer, **problems(400, 404, 409)})
    def discard(self, request: Request, dead_letter_id: int) -> Response:
        """Give it up; its run stays failed."""
        letter = operations.discard_dead_letter(
            dead_letter_id=dead_letter_id,
            actor=actor_of(request),
            now=timezone.now(),
            reason=_checked(DiscardSerializer, request.data)["reason"],
        )
        return Response(DeadLetterSerializer(letter).data)

    @extend_schema(request=RequeueManySerializer, responses={200: OutcomeSerializer, **problems(400)})
    def requeue_many(self, request: Request) -> Response:
        """Try all that match again, at a pace; each stands for itself, and the answer says what became of them."""
        wanted = _checked(RequeueManySerializer, request.data)
        outcome = operations.requeue_matching(
            selection_of(wanted["filter"]),
            actor=actor_of(request),
            now=timezone.now(),
            per_second=wanted["per_second"],
            limit=wanted["limit"],
            dry_run=wanted["dry_run"],
        )
        return Response(OutcomeSerializer(outcome).data)

    @extend_schema(request=DiscardManySerializer, responses={200: OutcomeSerializer, **problems(400)})
    def discard_many(self, request: Request) -> Response:
        """Give all that match up, for a reason."""
        wanted = _checked(DiscardManySerializer, request.data)
        outcome = operations.discard_matching(
            selection_of(wanted["filter"]),
            actor=actor_of(request),
            now=timezone.now(),
            reason=wanted["reason"],
            limit=wanted["limit"],
            dry_run=wanted["dry_run"],
        )
        return Response(OutcomeSerializer(outcome).data)


def _checked(form: type[Serializer[Any]], data: Any) -> Any:  # Any: what a request holds, and what a form makes of it
    wanted = form(data=data)
    wanted.is_valid(raise_exception=True)
    return wanted.validated_data
