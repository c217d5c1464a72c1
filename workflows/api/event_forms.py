"""The forms of events in requests and answers; they check shapes and decide nothing."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit.redaction import redacted
from workflows import event_queries
from workflows.models import Event, EventWait


class CloudEventSerializer(serializers.Serializer[Any]):
    """An event (CloudEvents 1.0, structured mode). Other attributes are kept with it; see docs/api.md."""

    specversion = serializers.ChoiceField(choices=["1.0"])
    id = serializers.CharField(max_length=200, help_text="With `source` its name: the same again is a duplicate.")
    source = serializers.CharField(max_length=300)  # type: ignore[assignment]  # a word of the framework, and of CloudEvents
    type = serializers.CharField(max_length=200)
    subject = serializers.CharField(max_length=300, required=False)
    time = serializers.DateTimeField(required=False)
    correlationkey = serializers.CharField(
        max_length=200, required=False, help_text="Whom it is about; else `subject` says so."
    )
    ttl = serializers.CharField(
        required=False, help_text="How long it is kept for steps that do not wait yet, such as 3d."
    )
    data = serializers.JSONField(required=False)  # type: ignore[assignment]  # as above


class PublishedSerializer(serializers.Serializer[Any]):
    """What became of an event."""

    event = serializers.UUIDField(help_text="Where to read it: /api/v1/events/{event}.")
    id = serializers.CharField(help_text="As its source gave it.")
    source = serializers.CharField()  # type: ignore[assignment]  # as above
    status = serializers.ChoiceField(choices=["accepted", "duplicate"])
    waiting = serializers.IntegerField(help_text="How many steps were waiting for its type and key.")


class PublishedBatchSerializer(serializers.Serializer[Any]):
    """What became of a batch, in its order."""

    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    results = PublishedSerializer(many=True)


class EventSerializer(serializers.Serializer[Any]):
    """An event as it is kept."""

    event = serializers.UUIDField(source="pk")
    id = serializers.CharField(source="event_id", help_text="As its source gave it.")
    source = serializers.CharField()  # type: ignore[assignment]  # as above
    type = serializers.CharField()
    key = serializers.CharField()
    subject = serializers.CharField()
    time = serializers.DateTimeField(allow_null=True)
    data = serializers.SerializerMethodField()  # type: ignore[assignment]  # as above
    attributes = serializers.SerializerMethodField()
    published_by = serializers.CharField()
    received_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()

    @extend_schema_field(OpenApiTypes.ANY)
    def get_data(self, event: Event) -> object:
        """This will give the data with secrets masked."""
        return redacted(event.data)

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_attributes(self, event: Event) -> object:
        """This will give all other attributes, with secrets masked."""
        return redacted(event.attributes)


class EventWaitSerializer(serializers.Serializer[Any]):
    """A step that waits, or has waited, for an event."""

    run = serializers.UUIDField(source="run_id")
    workflow = serializers.CharField(source="workflow_name")
    step = serializers.CharField()
    index = serializers.SerializerMethodField(help_text="The item of a for_each; null: the step itself.")
    state = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_index(self, wait: EventWait) -> int | None:
        """This will give the item that waits, if it is one."""
        return None if wait.index < 0 else wait.index


class EventDetailSerializer(EventSerializer):
    """An event with the steps that received it, the earliest first."""

    receivers = serializers.SerializerMethodField()

    @extend_schema_field(EventWaitSerializer(many=True))
    def get_receivers(self, event: Event) -> object:
        """This will give the steps that received it."""
        return EventWaitSerializer(event_queries.receivers(event=event.id), many=True).data
