"""Limits over HTTP: list, read, set, delete."""

from dataclasses import asdict

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from workflows import capacity, operations
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.limit_forms import (
    LimitDetailSerializer,
    LimitListSerializer,
    LimitSerializer,
    SetLimitSerializer,
)


class LimitViewSet(ApiViewSet):
    """How many steps may hold something at once."""

    write_scope = Scope.DEFINITIONS_WRITE
    serializer_class = LimitSerializer
    pagination_class = None

    @extend_schema(responses={200: LimitListSerializer})
    def list(self, _request: Request) -> Response:
        """List all limits with how full they are."""
        return Response({"results": LimitSerializer(capacity.reports(), many=True).data})

    @extend_schema(responses={200: LimitDetailSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Read a limit, who has its slots and who waits for one."""
        found = asdict(capacity.report(name=name))
        parts = {"holders": capacity.holders(name=name), "line": capacity.line(name=name)}
        return Response(LimitDetailSerializer({**found, **parts}).data)

    @extend_schema(
        request=SetLimitSerializer, responses={200: LimitSerializer, 201: LimitSerializer, **problems(400, 422)}
    )
    def update(self, request: Request, name: str) -> Response:
        """Make a limit or change it; the same again changes nothing. A raised one lets those in line begin at once."""
        wanted = SetLimitSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        limit, is_new = operations.set_limit(
            name=name, actor=actor_of(request), now=timezone.now(), **wanted.validated_data
        )
        answer = LimitSerializer(capacity.report(name=limit.name)).data
        return Response(answer, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    @extend_schema(responses={204: None, **problems(404, 409)})
    def destroy(self, request: Request, name: str) -> Response:
        """Delete a limit that no newest version and no running run names."""
        operations.delete_limit(name=name, actor=actor_of(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
