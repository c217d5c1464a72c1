"""Manual tasks over HTTP: list, read, take, give back, hand over, say that they are done."""

from datetime import datetime
from typing import Protocol

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.events import Actor
from workflows import operations
from workflows.api.answer_forms import CompletionSerializer, RequestDetailSerializer, SpeakerSerializer
from workflows.api.answers import problems
from workflows.api.callers import actor_of
from workflows.api.views.approvals import RequestViewSet
from workflows.core.voting import Choice, RequestKind
from workflows.human_rights import Person
from workflows.models import HumanRequest


class _Take(Protocol):
    def __call__(
        self, *, request_id: int, person: Person, actor: Actor, now: datetime
    ) -> tuple[HumanRequest, bool]: ...


class TaskViewSet(RequestViewSet):
    """Manual tasks: `answers:write` speaks for users, who then are named with the token in the audit."""

    kind = RequestKind.TASK

    @extend_schema(request=SpeakerSerializer, responses={200: RequestDetailSerializer, **problems(400, 404, 409, 422)})
    def claim(self, request: Request, request_id: int) -> Response:
        """Take a task, so that nobody else does it. Again it changes nothing."""
        return self._move(request, request_id, by=operations.claim)

    @extend_schema(request=SpeakerSerializer, responses={200: RequestDetailSerializer, **problems(400, 404, 409, 422)})
    def unclaim(self, request: Request, request_id: int) -> Response:
        """Give a task back to all who are asked. Again it changes nothing."""
        return self._move(request, request_id, by=operations.unclaim)

    @extend_schema(
        request=CompletionSerializer, responses={200: RequestDetailSerializer, **problems(400, 404, 409, 422)}
    )
    def complete(self, request: Request, request_id: int) -> Response:
        """Say that a task is done, once. Again it changes nothing."""
        wanted = CompletionSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return self.answer(request, request_id, choice=Choice.COMPLETE, values=wanted.validated_data)

    def _move(self, request: Request, request_id: int, *, by: _Take) -> Response:
        wanted = SpeakerSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        row, _ = by(
            request_id=self.find(request_id).id,
            person=self.person(request, as_user=wanted.validated_data["as_user"]),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(RequestDetailSerializer(row).data)
