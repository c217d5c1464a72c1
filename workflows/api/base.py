"""What all views of the API have in common."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from workflows.access import Scope
from workflows.api.callers import HasScope
from workflows.api.filters import StrictFilterBackend
from workflows.api.formats import JsonOnly, JsonParser, JsonRenderer


class ApiViewSet(GenericViewSet[Any]):
    """JSON in and out, scopes checked. `write_scope` is what anything but reading needs; None: nobody may."""

    permission_classes: tuple[type[BasePermission], ...] = (HasScope,)
    renderer_classes = (JsonRenderer,)
    parser_classes: tuple[type[BaseParser], ...] = (JsonParser,)
    content_negotiation_class = JsonOnly
    filter_backends = (StrictFilterBackend,)
    write_scope: Scope | None = None

    def page_of(self, rows: QuerySet[Any]) -> Response:  # Any: rows of one model
        """This will answer with one page of what the request's filters leave."""
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
