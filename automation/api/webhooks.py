"""Webhooks over HTTP: sources, what they sent, replays, counts of what was refused; and what events start."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import django_filters
from django.utils import timezone
from django_filters.rest_framework import FilterSet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from automation.inbound import queries, replaying, sources
from automation.inbound.sources import SourceWanted
from automation.inbound_models import DeliveryState
from automation.models import EventTrigger, TriggerFiring, WebhookDelivery, WebhookRefusal, WebhookSource
from automation.verification.presets import PRESETS
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.pagination import ByName, NewestFirst, NewestNumberFirst

_DEFAULTS = SourceWanted(name="", preset="")


class SourceFormSerializer(serializers.Serializer[Any]):
    """What a source shall be; what is left out has its default."""

    preset = serializers.ChoiceField(choices=sorted(PRESETS))
    options = serializers.DictField(required=False, help_text="What the preset wants to know: see the guide.")
    secrets = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        max_length=sources.MOST_SECRETS,
        help_text="Where its secrets are, the newest first, such as env:SHOP_WEBHOOK_SECRET.",
    )
    rate_per_s = serializers.FloatField(required=False, min_value=0, help_text="Requests a second; 0: no limit.")
    burst = serializers.IntegerField(required=False, min_value=1, help_text="Requests at once, after a rest.")
    max_bytes = serializers.IntegerField(required=False, min_value=1, max_value=sources.MOST_BYTES)
    is_enabled = serializers.BooleanField(required=False)


class SourceSerializer(serializers.Serializer[Any]):
    """Who may send, to /hooks/{name} of the intake."""

    name = serializers.CharField()
    preset = serializers.CharField()
    options = serializers.DictField()
    secrets = serializers.ListField(child=serializers.CharField(), help_text="References, never values.")
    rate_per_s = serializers.FloatField()
    burst = serializers.IntegerField()
    max_bytes = serializers.IntegerField()
    is_enabled = serializers.BooleanField()
    updated_at = serializers.DateTimeField()
    updated_by = serializers.CharField()


class FiringSerializer(serializers.Serializer[Any]):
    """What became of an event at a trigger."""

    trigger = serializers.IntegerField(source="trigger_id")
    workflow = serializers.CharField(source="trigger.workflow")
    state = serializers.CharField()
    run = serializers.UUIDField(source="run_id", allow_null=True)
    problem = serializers.CharField()


class DeliverySerializer(serializers.Serializer[Any]):
    """A request that was acknowledged."""

    id = serializers.UUIDField()
    source = serializers.CharField()  # type: ignore[assignment]  # a word of the framework, and ours
    state = serializers.CharField()
    type = serializers.CharField()
    delivery_id = serializers.CharField(help_text="The id its sender gave it.")
    event = serializers.UUIDField(allow_null=True, help_text="Where to read it: /api/v1/events/{event}.")
    problem = serializers.CharField()
    received_at = serializers.DateTimeField()
    processed_at = serializers.DateTimeField(allow_null=True)
    replay_of = serializers.UUIDField(allow_null=True)


class DeliveryDetailSerializer(DeliverySerializer):
    """A request as it came, with its secrets masked, and what became of its event."""

    peer = serializers.CharField()
    signed_at = serializers.DateTimeField(allow_null=True)
    key = serializers.IntegerField(help_text="Which secret fitted; 0: the newest.")
    headers = serializers.SerializerMethodField()
    body = serializers.SerializerMethodField()
    triggers = serializers.SerializerMethodField()

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_headers(self, delivery: WebhookDelivery) -> object:
        """This will give the headers with secrets masked."""
        return queries.shown_headers(delivery)

    @extend_schema_field(OpenApiTypes.ANY)
    def get_body(self, delivery: WebhookDelivery) -> object:
        """This will give the body with secrets masked."""
        return queries.shown_body(delivery)

    @extend_schema_field(FiringSerializer(many=True))
    def get_triggers(self, delivery: WebhookDelivery) -> object:
        """This will give what its event came to at triggers."""
        firings: list[TriggerFiring] = [] if delivery.event is None else [*queries.firings(event=delivery.event)]
        return FiringSerializer(firings, many=True).data


class ReplaySerializer(serializers.Serializer[Any]):
    """Which requests are read again, all of them or none."""

    deliveries = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=replaying.MOST, allow_empty=False
    )


class ReplayedSerializer(serializers.Serializer[Any]):
    """The new requests, in the order of the old ones."""

    deliveries = serializers.ListField(child=serializers.UUIDField())


class RefusalSerializer(serializers.Serializer[Any]):
    """How many requests were not taken in an hour, and why."""

    source = serializers.CharField()  # type: ignore[assignment]  # as above
    reason = serializers.CharField()
    hour = serializers.DateTimeField()
    count = serializers.IntegerField()
    latest_at = serializers.DateTimeField()


class TriggerSerializer(serializers.Serializer[Any]):
    """What starts runs of a workflow at events, or when they stay away."""

    id = serializers.IntegerField()
    workflow = serializers.CharField()
    kind = serializers.CharField()
    type = serializers.CharField(source="shown_type")
    source = serializers.CharField()  # type: ignore[assignment]  # as above
    match = serializers.CharField()
    input = serializers.JSONField(allow_null=True)
    within_s = serializers.FloatField(help_text="Of an event that must come: how long it may stay away.")
    due_at = serializers.DateTimeField(allow_null=True)
    missing_since = serializers.DateTimeField(allow_null=True)


class DeliveryFilter(FilterSet):
    """Requests, by source, state and type."""

    source = django_filters.CharFilter()
    state = django_filters.ChoiceFilter(choices=[(state.value, state.value) for state in DeliveryState])
    type = django_filters.CharFilter()

    class Meta:
        model = WebhookDelivery
        fields = ()


class RefusalFilter(FilterSet):
    """Counts, by source and reason."""

    source = django_filters.CharFilter()
    reason = django_filters.CharFilter()

    class Meta:
        model = WebhookRefusal
        fields = ()


class TriggerFilter(FilterSet):
    """Triggers, by workflow, kind and type."""

    workflow = django_filters.CharFilter()
    kind = django_filters.CharFilter()
    type = django_filters.CharFilter()

    class Meta:
        model = EventTrigger
        fields = ()


class SourceViewSet(ApiViewSet):
    """Who may send webhooks."""

    write_scope = Scope.ADMIN
    serializer_class = SourceSerializer
    pagination_class = ByName
    queryset = WebhookSource.objects.order_by("name")

    def list(self, _request: Request) -> Response:
        """List the sources by name."""
        return self.page_of(queries.sources())

    @extend_schema(responses={200: SourceSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Read a source."""
        return Response(SourceSerializer(queries.get_source(name=name)).data)

    @extend_schema(
        request=SourceFormSerializer,
        responses={200: SourceSerializer, 201: SourceSerializer, **problems(400, 422)},
    )
    def update(self, request: Request, name: str) -> Response:
        """Make a source or change it; the same again changes nothing."""
        form = SourceFormSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = {**form.validated_data, "secrets": tuple(form.validated_data.get("secrets", ()))}
        wanted = SourceWanted(**{**asdict(_DEFAULTS), **given, "name": name})
        row, is_new = sources.save_source(wanted, actor=actor_of(request), now=timezone.now())
        return Response(SourceSerializer(row).data, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    @extend_schema(responses={204: None, **problems(404, 409)})
    def destroy(self, request: Request, name: str) -> Response:
        """Delete a source that starts nothing; what it sent stays."""
        sources.delete_source(name=name, actor=actor_of(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class DeliveryViewSet(ApiViewSet):
    """What sources sent."""

    write_scope = Scope.EVENTS_WRITE
    serializer_class = DeliverySerializer
    pagination_class = NewestFirst
    filterset_class = DeliveryFilter
    queryset = WebhookDelivery.objects.order_by("-id")

    def list(self, _request: Request) -> Response:
        """List requests, the newest first."""
        return self.page_of(queries.deliveries())

    @extend_schema(responses={200: DeliveryDetailSerializer, **problems(404)})
    def retrieve(self, _request: Request, delivery_id: UUID) -> Response:
        """Read a request as it came, with its secrets masked."""
        return Response(DeliveryDetailSerializer(queries.get_delivery(delivery=delivery_id)).data)

    @extend_schema(request=ReplaySerializer, responses={201: ReplayedSerializer, **problems(400, 404)})
    def replay(self, request: Request) -> Response:
        """Have requests read again, as new events: whatever listens to them listens again."""
        form = ReplaySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        made = replaying.replay(form.validated_data["deliveries"], actor=actor_of(request), now=timezone.now())
        return Response({"deliveries": [str(one) for one in made]}, status=status.HTTP_201_CREATED)


class RefusalViewSet(ApiViewSet):
    """What was not taken."""

    serializer_class = RefusalSerializer
    pagination_class = NewestNumberFirst
    filterset_class = RefusalFilter
    queryset = WebhookRefusal.objects.order_by("-id")

    def list(self, _request: Request) -> Response:
        """List the counts, one for each source, reason and hour, the newest first."""
        return self.page_of(WebhookRefusal.objects.order_by("-id"))


class TriggerViewSet(ApiViewSet):
    """What events start."""

    serializer_class = TriggerSerializer
    pagination_class = NewestNumberFirst
    filterset_class = TriggerFilter
    queryset = EventTrigger.objects.filter(ended_at=None).order_by("-id")

    def list(self, _request: Request) -> Response:
        """List the triggers of definitions, the newest first."""
        return self.page_of(EventTrigger.objects.filter(ended_at=None).order_by("-id"))
