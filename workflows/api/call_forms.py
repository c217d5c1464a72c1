"""The forms of calls in requests and answers; they check shapes and decide nothing."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django_filters.rest_framework import FilterSet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit.redaction import redacted
from integrations import call_queries
from integrations.calls.rules import Outcome

_OUTCOMES = [one.value for one in Outcome]


class CallFilter(FilterSet):
    """Calls."""

    connection = django_filters.CharFilter()
    outcome = django_filters.ChoiceFilter(
        choices=[(one, one) for one in (*_OUTCOMES, call_queries.OPEN)],
        method="of_outcome",
        help_text="`open`: nobody knows whether it has happened.",
    )
    key = django_filters.UUIDFilter()
    run = django_filters.UUIDFilter(field_name="run_id")
    since = django_filters.IsoDateTimeFilter(field_name="first_sent_at", lookup_expr="gte")

    def of_outcome(self, calls: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:  # Any: rows of calls
        """This will keep calls of one outcome."""
        return call_queries.of_outcome(calls, value)


class CallSerializer(serializers.Serializer[Any]):
    """An outbound call of a step, over all its attempts."""

    key = serializers.UUIDField(help_text="The idempotency key, the same in every attempt.")
    run = serializers.UUIDField(source="run_id")
    workflow = serializers.CharField(source="workflow_name")
    step = serializers.CharField()
    index = serializers.IntegerField(allow_null=True, help_text="The item of a for_each.")
    round = serializers.IntegerField(allow_null=True, help_text="The round of a repeat_until.")
    correlation_id = serializers.CharField()
    adapter = serializers.CharField()
    connection = serializers.CharField()
    digest = serializers.CharField(help_text="SHA-256 of the request, without secrets.")
    is_safe = serializers.BooleanField(help_text="It changes nothing outside.")
    outcome = serializers.ChoiceField(choices=_OUTCOMES)
    happened = serializers.BooleanField(allow_null=True, help_text="null: nobody knows.")
    settled_by = serializers.CharField(help_text="`look_up`, `key`, `hand`, or empty.")
    attempts = serializers.IntegerField(help_text="How often it was sent.")
    look_ups = serializers.IntegerField(help_text="How often it was looked up.")
    first_sent_at = serializers.DateTimeField()
    last_sent_at = serializers.DateTimeField()
    duration_ms = serializers.FloatField(allow_null=True, help_text="Of the last attempt.")


class CallFileSerializer(serializers.Serializer[Any]):
    """A file that a call gave or left as evidence; `GET /calls/{key}/files/{sha256}` gives its content."""

    sha256 = serializers.CharField(source="digest")
    name = serializers.CharField()
    media_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    kept_at = serializers.DateTimeField()


class CallDetailSerializer(CallSerializer):
    """A call with what is known of its last failure or settlement, and with its output where that is kept."""

    evidence = serializers.SerializerMethodField()
    output = serializers.SerializerMethodField()
    files = serializers.SerializerMethodField(help_text="Pictures and the like, whose contents are kept beside.")

    @extend_schema_field(CallFileSerializer(many=True))
    def get_files(self, call: Any) -> list[dict[str, Any]]:  # Any: a row of calls
        """This will list its files, the earliest first."""
        return list(CallFileSerializer(call_queries.files_of(call.key), many=True).data)

    @extend_schema_field(OpenApiTypes.ANY)
    def get_evidence(self, call: Any) -> object:  # Any: a row of calls
        """This will give the evidence with secrets masked."""
        return redacted(call.evidence)

    @extend_schema_field(OpenApiTypes.ANY)
    def get_output(self, call: Any) -> object:  # Any: a row of calls
        """This will give the output with secrets masked."""
        return redacted(call.output)


class SettleSerializer(serializers.Serializer[Any]):
    """What somebody has found out about a call of unknown outcome."""

    happened = serializers.BooleanField()
    output = serializers.JSONField(
        required=False, default=None, allow_null=True, help_text="What it gave, as the step would have: if it happened."
    )
    reason = serializers.CharField(max_length=1000, help_text="How you know; it is written into the audit trail.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:  # Any: the framework's signature
        """This will ask for an output of what happened, and refuse one of what did not."""
        is_given = "output" in self.initial_data
        if attrs["happened"] and not is_given:
            raise serializers.ValidationError({"output": "give the step's output, null if it has none"})
        if not attrs["happened"] and is_given:
            raise serializers.ValidationError({"output": "what did not happen has no output: leave it out"})
        return attrs
