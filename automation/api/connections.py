"""Connections over HTTP: list, read, set; a secret is only ever named, never sent here and never answered."""

from collections.abc import Mapping
from typing import Any

import django_filters
from django.utils import timezone
from django_filters.rest_framework import FilterSet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import connection_documents, kinds, operations, probes, queries
from integrations.connections import Environment
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.correlation import HEADER, correlation_id
from workflows.api.pagination import ByName

_ENVIRONMENTS = [one.value for one in Environment]


class ConnectionFormSerializer(serializers.Serializer[Any]):
    """What a connection shall be; what is left out has its standard value. Secrets are references."""

    kind = serializers.CharField(default="http", help_text="Which adapters use it; see connection-kinds.")
    base_url = serializers.CharField(default="", help_text="A step's `path` is added to it.")
    options = serializers.DictField(default=dict, help_text="What its kind wants to know besides.")
    secrets = serializers.DictField(child=serializers.CharField(), default=dict, help_text="Name to reference.")
    environment = serializers.ChoiceField(choices=_ENVIRONMENTS, default="live")
    owner = serializers.CharField(default="", help_text="Whom to ask: a team or a person.")
    allow_private = serializers.BooleanField(default=False)
    allowed_hosts = serializers.ListField(
        child=serializers.CharField(), default=list, help_text="All that may be reached; empty: any public host."
    )
    auth_header = serializers.CharField(default="Authorization")
    auth_scheme = serializers.CharField(default="Bearer")
    secret_reference = serializers.CharField(default="", help_text="Where the secret of `auth_header` is.")
    headers = serializers.DictField(child=serializers.CharField(), default=dict)
    connect_timeout_s = serializers.FloatField(default=5.0)
    read_timeout_s = serializers.FloatField(default=30.0)
    max_response_bytes = serializers.IntegerField(default=1_000_000)
    rate_limit = serializers.IntegerField(default=0, help_text="Calls in each period; 0: no limit.")
    rate_period_s = serializers.FloatField(default=1.0)
    rate_burst = serializers.IntegerField(default=1)
    breaker_error_rate = serializers.FloatField(default=0.0)
    breaker_slow_rate = serializers.FloatField(default=0.0)
    breaker_slow_s = serializers.FloatField(default=10.0)
    breaker_window_s = serializers.FloatField(default=30.0)
    breaker_min_calls = serializers.IntegerField(default=20)
    breaker_open_s = serializers.FloatField(default=30.0)
    breaker_probes = serializers.IntegerField(default=3)


class ConnectionSerializer(ConnectionFormSerializer):
    """A connection. `secrets` and `secret_reference` say where secrets are, never what they are."""

    name = serializers.CharField()
    probed_at = serializers.DateTimeField(allow_null=True, help_text="When it was tested; null: never.")
    is_well = serializers.BooleanField(allow_null=True, help_text="What the latest test found.")
    probe_detail = serializers.CharField()
    probed_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ProbedSerializer(serializers.Serializer[Any]):
    """What a test of a connection found."""

    is_well = serializers.BooleanField()
    detail = serializers.CharField(help_text="For a person; holds no secret.")
    at = serializers.DateTimeField()
    took_s = serializers.FloatField()


class KindSerializer(serializers.Serializer[Any]):
    """A kind of connection."""

    name = serializers.CharField()
    uses = serializers.ListField(child=serializers.CharField(), help_text="The adapters that use it.")
    secret_names = serializers.ListField(child=serializers.CharField())
    speaks_http = serializers.BooleanField(help_text="It needs a base URL of http or https.")
    schema = serializers.DictField(help_text="The JSON Schema of `options`.")


class KindListSerializer(serializers.Serializer[Any]):
    """All kinds by name."""

    results = KindSerializer(many=True)


class ConnectionFilter(FilterSet):
    """Connections of one kind, environment or owner."""

    kind = django_filters.CharFilter()
    environment = django_filters.ChoiceFilter(choices=[(one, one) for one in _ENVIRONMENTS])
    owner = django_filters.CharFilter()


class ConnectionViewSet(ApiViewSet):
    """How outside systems are reached."""

    write_scope = Scope.ADMIN
    serializer_class = ConnectionSerializer
    pagination_class = ByName
    filterset_class = ConnectionFilter
    queryset = queries.connections()

    def list(self, _request: Request) -> Response:
        """List connections by name."""
        return self.page_of(queries.connections())

    @extend_schema(responses={200: ConnectionSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Read a connection."""
        return Response(ConnectionSerializer(queries.get_row(name)).data)

    @extend_schema(
        request=ConnectionFormSerializer,
        responses={200: ConnectionSerializer, 201: ConnectionSerializer, **problems(400, 422)},
    )
    def update(self, request: Request, name: str) -> Response:
        """Make a connection or change it to what is sent; the same again changes nothing."""
        if not isinstance(request.data, Mapping):
            raise ValidationError("a connection is an object")
        is_new = queries.find_connection(name) is None
        operations.save_connection(
            spec=connection_documents.read(name, request.data),
            actor=actor_of(request),
            now=timezone.now(),
            correlation_id=_correlation_id(request),
        )
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(ConnectionSerializer(queries.get_row(name)).data, status=code)


class ConnectionProbeViewSet(ApiViewSet):
    """Whether a connection works."""

    write_scope = Scope.DEFINITIONS_WRITE
    serializer_class = ProbedSerializer

    @extend_schema(request=None, responses={200: ProbedSerializer, **problems(404)})
    def create(self, request: Request, name: str) -> Response:
        """Test a connection, with no effect outside; what is found is kept on it."""
        found = probes.probe(
            name=name, actor=actor_of(request), now=timezone.now(), correlation_id=_correlation_id(request)
        )
        return Response(ProbedSerializer(found).data)


class ConnectionKindViewSet(ApiViewSet):
    """What kinds of connections there are."""

    serializer_class = KindSerializer
    pagination_class = None

    @extend_schema(responses={200: KindListSerializer})
    def list(self, _request: Request) -> Response:
        """List the kinds with what a connection of each may say."""
        found = [kind for _, kind in sorted(kinds.kinds().items())]
        return Response({"results": KindSerializer(found, many=True).data})


def _correlation_id(request: Request) -> str:
    return correlation_id(header=request.headers.get(HEADER), traceparent=request.headers.get("traceparent", ""))
