"""Approvals over HTTP: list, read, decide. Users of this site answer for themselves, tokens for whom they name."""

from collections.abc import Mapping

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows import human_queries, operations
from workflows.access import Credential, Scope
from workflows.api.answer_forms import DecisionSerializer, RequestDetailSerializer, RequestSerializer
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of, require_scope
from workflows.api.filters import RequestFilter
from workflows.api.pagination import NewestNumberFirst
from workflows.core.voting import Choice, RequestKind
from workflows.errors import UnknownRequest
from workflows.human_queries import Person
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
            rows = human_queries.concerning(human_queries.person_of(self.request.user))
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

    def person(self, request: Request, *, as_user: str) -> Person:
        """This will give who answers. Raises ValidationError, UnknownPerson."""
        if isinstance(request.auth, Credential):
            if not as_user:
                raise ValidationError({"as_user": "a token answers for somebody: name the user"})
            return human_queries.get_person(as_user)
        if as_user and as_user != request.user.get_username():
            raise ValidationError({"as_user": "you answer for yourself: leave it out"})
        return human_queries.person_of(request.user)


class ApprovalViewSet(RequestViewSet):
    """Approvals: `answers:write` brings the decisions of users, who then are named with the token in the audit."""

    kind = RequestKind.APPROVAL

    @extend_schema(request=DecisionSerializer, responses={200: RequestDetailSerializer, **problems(400, 404, 409, 422)})
    def decide(self, request: Request, request_id: int) -> Response:
        """Approve or reject, once. The same decision again changes nothing."""
        wanted = DecisionSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        if values["form"] is not None and not isinstance(values["form"], Mapping):
            raise ValidationError({"form": "must be a mapping"})
        person = self.person(request, as_user=values["as_user"])
        given = operations.Answer(
            choice=Choice(values["decision"]), comment=values["comment"], form=values["form"], via="api"
        )
        row, _ = operations.answer(
            request_id=self.find(request_id).id,
            person=person,
            given=given,
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(RequestDetailSerializer(row).data)
