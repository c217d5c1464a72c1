"""Approvals over HTTP: list, read, decide. Users of this site answer for themselves, tokens for whom they name."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows import human_queries, human_rights, operations
from workflows.access import Credential, Scope
from workflows.api.answer_forms import (
    DecisionSerializer,
    HandoverSerializer,
    LinkSerializer,
    RequestDetailSerializer,
    RequestSerializer,
    SpeakerSerializer,
)
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of, require_scope
from workflows.api.filters import RequestFilter
from workflows.api.pagination import NewestNumberFirst
from workflows.core.voting import Choice, RequestKind
from workflows.human_errors import UnknownRequest
from workflows.human_rights import Person
from workflows.models import HumanRequest

_READING = ("GET", "HEAD", "OPTIONS")
_SEES_ALL = "workflows.view_run"


class MayAnswer(BasePermission):
    """A token needs a scope; a user needs none, for whom a request asks is in the request."""

    def has_permission(self, request: Request, _view: APIView) -> bool:
        """This will tell whether the caller may. Raises PermissionDenied with the scope that is missing."""
        if isinstance(request.auth, Credential):
            require_scope(request, Scope.RUNS_READ if request.method in _READING else Scope.ANSWERS_WRITE)
        return bool(request.user.is_authenticated)


class RequestViewSet(ApiViewSet):
    """What people are asked, of one kind; users who may not look at runs see what they are asked themselves."""

    kind: RequestKind
    permission_classes = (MayAnswer,)
    serializer_class = RequestSerializer
    pagination_class = NewestNumberFirst
    filterset_class = RequestFilter
    queryset = HumanRequest.objects.order_by("-id")

    def get_queryset(self) -> QuerySet[HumanRequest]:
        """This will give what the caller may see."""
        rows = HumanRequest.objects.order_by("-id")
        if not isinstance(self.request.auth, Credential) and not self.request.user.has_perm(_SEES_ALL):
            rows = human_queries.concerning(human_rights.person_of(self.request.user))
        return rows.filter(kind=self.kind)

    def find(self, request_id: int) -> HumanRequest:
        """This will give a request that the caller may see. Raises UnknownRequest."""
        row: HumanRequest | None = self.get_queryset().filter(id=request_id).first()
        if row is None:
            raise UnknownRequest(request_id)
        return row

    def list(self, _request: Request) -> Response:
        """List requests, the newest first. `waiting_for` narrows them to what waits for one user."""
        return self.page_of(self.get_queryset())

    @extend_schema(responses={200: RequestDetailSerializer, **problems(404)})
    def retrieve(self, _request: Request, request_id: int) -> Response:
        """Read a request with all that people see, its answers, and who may answer now."""
        return Response(RequestDetailSerializer(self.find(request_id)).data)

    @extend_schema(request=HandoverSerializer, responses={200: RequestDetailSerializer, **problems(400, 404, 409, 422)})
    def delegate(self, request: Request, request_id: int) -> Response:
        """Hand one's say to another user: all of it, for good. The same again changes nothing."""
        wanted = HandoverSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        taker = human_rights.get_person(values["to"])
        row, _ = operations.delegate(
            request_id=self.find(request_id).id,
            giver=self.person(request, as_user=values["as_user"]),
            given=operations.Handover(taker=taker, reason=values["reason"], via="api"),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(RequestDetailSerializer(row).data)

    @extend_schema(request=SpeakerSerializer, responses={200: LinkSerializer, **problems(400, 404, 409, 422)})
    def link(self, request: Request, request_id: int) -> Response:
        """Give the address at which a user answers once, without signing in. Whoever has it answers for that user."""
        wanted = SpeakerSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        row, url = operations.make_link(
            request_id=self.find(request_id).id,
            person=self.person(request, as_user=wanted.validated_data["as_user"]),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(LinkSerializer({"url": url, "expires_at": row.expires_at}).data)

    def answer(self, request: Request, request_id: int, *, choice: Choice, values: Mapping[str, Any]) -> Response:
        """This will count an answer. Raises ValidationError."""
        if values["form"] is not None and not isinstance(values["form"], Mapping):
            raise ValidationError({"form": "must be a mapping"})
        given = operations.Answer(choice=choice, comment=values["comment"], form=values["form"], via="api")
        row, _ = operations.answer(
            request_id=self.find(request_id).id,
            person=self.person(request, as_user=values["as_user"]),
            given=given,
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(RequestDetailSerializer(row).data)

    def person(self, request: Request, *, as_user: str) -> Person:
        """This will give who answers. Raises ValidationError, UnknownPerson."""
        if isinstance(request.auth, Credential):
            if not as_user:
                raise ValidationError({"as_user": "a token answers for somebody: name the user"})
            return human_rights.get_person(as_user)
        if as_user and as_user != request.user.get_username():
            raise ValidationError({"as_user": "you answer for yourself: leave it out"})
        return human_rights.person_of(request.user)


class ApprovalViewSet(RequestViewSet):
    """Approvals: `answers:write` brings the decisions of users, who then are named with the token in the audit."""

    kind = RequestKind.APPROVAL

    @extend_schema(request=DecisionSerializer, responses={200: RequestDetailSerializer, **problems(400, 404, 409, 422)})
    def decide(self, request: Request, request_id: int) -> Response:
        """Approve or reject, once. The same decision again changes nothing."""
        wanted = DecisionSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        return self.answer(request, request_id, choice=Choice(values["decision"]), values=values)
