"""The forms of reconciliation in requests and answers; they check shapes and decide nothing."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from reconciliation import queries
from reconciliation.core.lifecycle import ANSWERS
from reconciliation.models import Job, Repair, Variance
from reconciliation.operations.answering import MOST


class PublishSerializer(serializers.Serializer[Any]):
    """A job as it is written."""

    source = serializers.CharField(max_length=262_144, help_text="YAML or JSON.")  # type: ignore[assignment]  # a word of the framework, too


class JobSerializer(serializers.Serializer[Any]):
    """A job, with what stands open."""

    name = serializers.CharField()
    description = serializers.CharField()
    is_enabled = serializers.BooleanField()
    version = serializers.IntegerField(source="latest_number")
    rules_in_force = serializers.SerializerMethodField()
    is_new = serializers.BooleanField(required=False, help_text="Of an answer to publishing: whether anything changed.")

    def get_rules_in_force(self, job: Job) -> list[str]:
        """This will name the rules somebody let act; one that was written anew since is none of them."""
        spec = queries.spec_of(queries.latest_version(job))
        in_force = queries.rules_in_force(job)
        return [one.rule.name for one in spec.rules if in_force.get(one.rule.name) == one.digest]


class EnableSerializer(serializers.Serializer[Any]):
    """Whether a job is compared at all."""

    is_enabled = serializers.BooleanField()


class StartSerializer(serializers.Serializer[Any]):
    """How a comparison shall be made."""

    dry_run = serializers.BooleanField(default=False, help_text="Shows what it finds and what rules would do.")


class StartedSerializer(serializers.Serializer[Any]):
    """The run of the engine that compares."""

    run = serializers.UUIDField()
    is_new = serializers.BooleanField()


class ComparisonSerializer(serializers.Serializer[Any]):
    """A comparison and its counts; `standing` is what was open or disputed when it ended."""

    id = serializers.IntegerField()
    job = serializers.CharField(source="job.name")
    version = serializers.IntegerField(source="version.number")
    state = serializers.CharField()
    is_dry_run = serializers.BooleanField()
    run = serializers.UUIDField(source="run_id", allow_null=True)
    started_by = serializers.CharField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    window_from = serializers.DateTimeField(allow_null=True)
    window_to = serializers.DateTimeField(allow_null=True)
    left_rows = serializers.IntegerField()
    right_rows = serializers.IntegerField()
    left_repeats = serializers.IntegerField()
    right_repeats = serializers.IntegerField()
    equal = serializers.IntegerField()
    differing = serializers.IntegerField()
    only_left = serializers.IntegerField()
    only_right = serializers.IntegerField()
    skipped = serializers.IntegerField()
    outside = serializers.IntegerField()
    found = serializers.IntegerField()
    opened = serializers.IntegerField()
    pending = serializers.IntegerField()
    reopened = serializers.IntegerField()
    confirmed = serializers.IntegerField()
    vanished = serializers.IntegerField()
    standing = serializers.IntegerField()
    by_kind = serializers.DictField(child=serializers.IntegerField())
    samples = serializers.ListField(child=serializers.JSONField(), help_text="Of a dry run: some of what it found.")
    plan = serializers.JSONField(help_text="What rules made of the variances, in numbers.")
    error = serializers.CharField()


class VarianceSerializer(serializers.Serializer[Any]):
    """Something on which the two sides do not agree."""

    id = serializers.IntegerField()
    job = serializers.CharField(source="job.name")
    key = serializers.CharField(help_text="Parts of a key are joined by U+001F.")
    kind = serializers.CharField()
    differs = serializers.ListField(source="fields", child=serializers.CharField(), help_text="The fields that do.")
    left = serializers.JSONField(allow_null=True)
    right = serializers.JSONField(allow_null=True)
    occurrences = serializers.IntegerField()
    amount = serializers.DecimalField(max_digits=30, decimal_places=6, allow_null=True, normalize_output=True)
    at = serializers.DateTimeField(allow_null=True, help_text="When the record happened.")
    trace = serializers.CharField(help_text="Leads to the call or run behind the record.")
    state = serializers.CharField()
    owner = serializers.CharField()
    note = serializers.CharField()
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    seen = serializers.IntegerField(help_text="By how many comparisons.")
    reopened = serializers.IntegerField()
    repaired_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    closed_how = serializers.CharField()


class CallBehindSerializer(serializers.Serializer[Any]):
    """A call of the ledger that touched a record; `GET /api/v1/calls/{key}` has all of it."""

    key = serializers.UUIDField(help_text="The idempotency key.")
    run = serializers.UUIDField(source="run_id")
    step = serializers.CharField(source="place")
    adapter = serializers.CharField()
    connection = serializers.CharField()
    outcome = serializers.CharField()
    happened = serializers.BooleanField(allow_null=True)
    sent_at = serializers.DateTimeField(source="first_sent_at")


class RepairSerializer(serializers.Serializer[Any]):
    """What a rule wants done, or has done, about a variance."""

    id = serializers.IntegerField()
    rule = serializers.CharField()
    state = serializers.CharField()
    why = serializers.CharField(help_text="Why it is held.")
    needs_approval = serializers.BooleanField()
    comparison = serializers.IntegerField(source="comparison_id")
    run = serializers.UUIDField(source="run_id", allow_null=True)
    planned_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField(allow_null=True)


class RepairDetailSerializer(RepairSerializer):
    """A repair with the calls its run has made that may have changed something."""

    calls = serializers.SerializerMethodField()

    @extend_schema_field(CallBehindSerializer(many=True))
    def get_calls(self, repair: Repair) -> list[dict[str, Any]]:  # Any: JSON
        """This will list the calls of its run, the earliest first."""
        found = self.context["calls"].get(repair.run_id, ())
        return list(CallBehindSerializer(found, many=True).data)


class VarianceDetailSerializer(VarianceSerializer):
    """A variance with its repairs, and with who touched its record. Its context has `behind`."""

    run = serializers.SerializerMethodField(help_text="The run behind the record, as far as its trace leads there.")
    calls = serializers.SerializerMethodField(help_text="The calls behind the record, as far as its trace leads there.")
    repairs = serializers.SerializerMethodField()

    def get_run(self, _variance: Variance) -> UUID | None:
        """This will give the run that touched the record."""
        found: UUID | None = self.context["behind"].run
        return found

    @extend_schema_field(CallBehindSerializer(many=True))
    def get_calls(self, _variance: Variance) -> list[dict[str, Any]]:  # Any: JSON
        """This will list the calls that touched the record, the earliest first."""
        return list(CallBehindSerializer(self.context["behind"].calls, many=True).data)

    @extend_schema_field(RepairDetailSerializer(many=True))
    def get_repairs(self, variance: Variance) -> list[dict[str, Any]]:  # Any: JSON
        """This will list what rules wanted done, the latest first."""
        repairs = list(queries.repairs_of(variance))
        context = {"calls": queries.calls_of(repairs)}
        return list(RepairDetailSerializer(repairs, many=True, context=context).data)


class _IdsSerializer(serializers.Serializer[Any]):
    ids = serializers.ListField(child=serializers.IntegerField(min_value=1), min_length=1, max_length=MOST)


class AnswerSerializer(_IdsSerializer):
    """What people make of variances."""

    state = serializers.ChoiceField(choices=sorted(state.value for state in ANSWERS))
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=1000)


class AssignSerializer(_IdsSerializer):
    """Who looks after variances."""

    owner = serializers.CharField(allow_blank=True, max_length=150)


class AnsweredSerializer(serializers.Serializer[Any]):
    """Which variances have changed, and why others have not."""

    changed = serializers.ListField(child=serializers.IntegerField())
    refused = serializers.DictField(child=serializers.CharField())


class UndoSerializer(serializers.Serializer[Any]):
    """Why a repair is undone."""

    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)
