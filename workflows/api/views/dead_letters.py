"""Dead letters over HTTP: list, read, requeue, discard."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from workflows import operations, queries
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.filters import DeadLetterFilter
from workflows.api.pagination import NewestNumberFirst
from workflows.api.serializers import DeadLetterDetailSerializer, DeadLetterSerializer, DiscardSerializer
from workflows.models import DeadLetter


class DeadLetterViewSet(ApiViewSet):
    """Steps and items that ran out of attempts."""

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

    @extend_schema(request=None, responses={200: DeadLetterSerializer, **problems(404, 409)})
    def requeue(self, request: Request, dead_letter_id: int) -> Response:
        """Try it again with fresh attempts and its old idempotency key; its run goes on."""
        letter = operations.requeue_dead_letter(
            dead_letter_id=dead_letter_id, actor=actor_of(request), now=timezone.now()
        )
        return Response(DeadLetterSerializer(letter).data)

    @extend_schema(request=DiscardSerializer, responses={200: DeadLetterSerializer, **problems(400, 404, 409)})
    def discard(self, request: Request, dead_letter_id: int) -> Response:
        """Give it up; its run stays failed."""
        wanted = DiscardSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        letter = operations.discard_dead_letter(
            dead_letter_id=dead_letter_id,
            actor=actor_of(request),
            now=timezone.now(),
            reason=wanted.validated_data["reason"],
        )
        return Response(DeadLetterSerializer(letter).data)
