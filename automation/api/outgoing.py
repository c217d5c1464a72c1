"""Webhooks that go out, over HTTP: endpoints, their messages with every attempt, and sending again."""

from typing import Any
from uuid import UUID

import django_filters
from django.utils import timezone
from django_filters.rest_framework import FilterSet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from automation.models import WebhookEndpoint, WebhookMessage
from automation.outbound import endpoints, queries
from automation.outbound.endpoints import EndpointWanted
from automation.outbound_models import Format, MessageState
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.pagination import ByName, NewestFirst

_MOST_AGAIN = 500


class EndpointFormSerializer(serializers.Serializer[Any]):
    """What an endpoint shall be."""

    url = serializers.CharField(max_length=500, help_text="An https address; with a connection, a path of it.")
    types = serializers.ListField(child=serializers.CharField(max_length=200), max_length=endpoints.MOST_TYPES)
    secrets = serializers.ListField(
        child=serializers.CharField(max_length=200),
        max_length=endpoints.MOST_SECRETS,
        help_text="Where its secrets are, the newest first, such as env:PARTNER_SECRET.",
    )
    connection = serializers.CharField(required=False, allow_blank=True, max_length=100)
    source = serializers.CharField(required=False, allow_blank=True, max_length=300)  # type: ignore[assignment]  # a word of the framework, and ours
    format = serializers.ChoiceField(required=False, choices=[form.value for form in Format])
    is_enabled = serializers.BooleanField(required=False)


class EndpointSerializer(serializers.Serializer[Any]):
    """Somebody who is sent events."""

    name = serializers.CharField()
    url = serializers.CharField()
    connection = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField())
    source = serializers.CharField()  # type: ignore[assignment]  # as above
    format = serializers.CharField(help_text="standard, cloudevents or cloudevents-binary.")
    secrets = serializers.ListField(child=serializers.CharField(), help_text="References, never values.")
    is_enabled = serializers.BooleanField()
    disabled_at = serializers.DateTimeField(allow_null=True)
    disabled_reason = serializers.CharField()
    failing_since = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField()
    updated_by = serializers.CharField()


class AttemptSerializer(serializers.Serializer[Any]):
    """One attempt; `status` 0: there was no answer."""

    at = serializers.DateTimeField()
    status = serializers.IntegerField()
    seconds = serializers.FloatField()
    error = serializers.CharField()


class MessageSerializer(serializers.Serializer[Any]):
    """An event for an endpoint."""

    id = serializers.UUIDField()
    endpoint = serializers.CharField(source="endpoint.name")
    event = serializers.UUIDField(help_text="Where to read it: /api/v1/events/{event}.")
    type = serializers.CharField()
    state = serializers.CharField()
    attempts = serializers.IntegerField()
    due_at = serializers.DateTimeField(help_text="When it is tried (again), while it is pending.")
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    log = AttemptSerializer(many=True, help_text="The latest attempts, the earliest first.")


class AgainSerializer(serializers.Serializer[Any]):
    """Which messages are sent again, all of them or none."""

    messages = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=_MOST_AGAIN)


class AgainDoneSerializer(serializers.Serializer[Any]):
    """How many are sent again."""

    redelivered = serializers.IntegerField()


class MessageFilter(FilterSet):
    """Messages, by endpoint, state and type."""

    endpoint = django_filters.CharFilter(field_name="endpoint__name")
    state = django_filters.ChoiceFilter(choices=[(state.value, state.value) for state in MessageState])
    type = django_filters.CharFilter()

    class Meta:
        model = WebhookMessage
        fields = ()


class EndpointViewSet(ApiViewSet):
    """Who is sent events."""

    write_scope = Scope.ADMIN
    serializer_class = EndpointSerializer
    pagination_class = ByName
    queryset = WebhookEndpoint.objects.order_by("name")

    def list(self, _request: Request) -> Response:
        """List the endpoints by name."""
        return self.page_of(queries.endpoints())

    @extend_schema(responses={200: EndpointSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Read an endpoint."""
        return Response(EndpointSerializer(queries.get_endpoint(name=name)).data)

    @extend_schema(
        request=EndpointFormSerializer,
        responses={200: EndpointSerializer, 201: EndpointSerializer, **problems(400, 422)},
    )
    def update(self, request: Request, name: str) -> Response:
        """Make an endpoint or change it; the same again changes nothing, enabling forgets why it was disabled."""
        form = EndpointFormSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = {
            **form.validated_data,
            **{part: tuple(form.validated_data[part]) for part in ("types", "secrets")},
        }
        wanted = EndpointWanted(name=name, **given)
        row, is_new = endpoints.save_endpoint(wanted, actor=actor_of(request), now=timezone.now())
        return Response(EndpointSerializer(row).data, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    @extend_schema(responses={204: None, **problems(404)})
    def destroy(self, request: Request, name: str) -> Response:
        """Delete an endpoint with its messages."""
        endpoints.delete_endpoint(name=name, actor=actor_of(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class MessageViewSet(ApiViewSet):
    """What was sent, and every attempt."""

    write_scope = Scope.EVENTS_WRITE
    serializer_class = MessageSerializer
    pagination_class = NewestFirst
    filterset_class = MessageFilter
    queryset = WebhookMessage.objects.order_by("-id")

    def list(self, _request: Request) -> Response:
        """List messages, the newest first."""
        return self.page_of(queries.messages())

    @extend_schema(responses={200: MessageSerializer, **problems(404)})
    def retrieve(self, _request: Request, message_id: UUID) -> Response:
        """Read a message with its latest attempts."""
        return Response(MessageSerializer(queries.get_message(message=message_id)).data)

    @extend_schema(request=AgainSerializer, responses={200: AgainDoneSerializer, **problems(400, 404, 409)})
    def redeliver(self, request: Request) -> Response:
        """Have messages that have ended sent again, under their ids and with all their attempts."""
        form = AgainSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        count = endpoints.redeliver(form.validated_data["messages"], actor=actor_of(request), now=timezone.now())
        return Response({"redelivered": count})
