"""The forms of comparisons: two runs, two versions; they decide nothing."""

from typing import Any

from rest_framework import serializers

from workflows.api.state_field import StateField
from workflows.core.differences import Change
from workflows.core.standing import Standing
from workflows.core.states import RunState


class DifferenceSerializer(serializers.Serializer[Any]):
    """One place where two values differ."""

    path = serializers.CharField(help_text="JSON path.")
    change = StateField(Change)
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class DifferencesSerializer(serializers.Serializer[Any]):
    """Where two values differ; `is_cut`: there are more than are listed."""

    found = DifferenceSerializer(many=True)
    is_cut = serializers.BooleanField()


class RunSideSerializer(serializers.Serializer[Any]):
    """One of the runs; what it was given and gave is in `GET /runs/{id}`."""

    id = serializers.UUIDField()
    workflow = serializers.CharField()
    version = serializers.IntegerField()
    state = StateField(RunState)
    started_at = serializers.DateTimeField()
    duration_s = serializers.FloatField(allow_null=True, help_text="Null while it runs.")


class StepSideSerializer(serializers.Serializer[Any]):
    """A step as one of the runs has it."""

    state = StateField(Standing)
    attempts = serializers.IntegerField()
    duration_s = serializers.FloatField(allow_null=True)
    items = serializers.DictField(child=serializers.IntegerField(), help_text="Items of a for_each by state.")


class StepPairSerializer(serializers.Serializer[Any]):
    """A step in both runs; null where a run's version has no such step."""

    step = serializers.CharField()
    is_same = serializers.BooleanField(help_text="It came to the same and gave the same; times do not count.")
    left = StepSideSerializer(allow_null=True)
    right = StepSideSerializer(allow_null=True)
    slower_s = serializers.FloatField(allow_null=True, help_text="How much longer the right one took.")
    output = DifferencesSerializer()
    error = DifferencesSerializer()


class ComparisonSerializer(serializers.Serializer[Any]):
    """Two runs side by side: `before` is the left one, `after` the right one."""

    left = RunSideSerializer()
    right = RunSideSerializer()
    is_same = serializers.BooleanField(help_text="Both came to the same by the same way; times do not count.")
    diverges_at = serializers.CharField(
        allow_blank=True, help_text="The first step, in the order of the plan, that is not the same."
    )
    slower_s = serializers.FloatField(allow_null=True, help_text="How much longer the right run took.")
    input = DifferencesSerializer()
    output = DifferencesSerializer()
    error = DifferencesSerializer()
    steps = StepPairSerializer(many=True)


class StepChangeSerializer(serializers.Serializer[Any]):
    """A step that is new, gone or different."""

    step = serializers.CharField()
    path = serializers.CharField(help_text="JSON path of the step.")
    change = StateField(Change)
    is_meaning_same = serializers.BooleanField(help_text="It is only written differently.")
    needs_added = serializers.ListField(child=serializers.CharField())
    needs_removed = serializers.ListField(child=serializers.CharField())
    differences = DifferencesSerializer()


class VersionChangesSerializer(serializers.Serializer[Any]):
    """What has changed from one version to another."""

    before = serializers.IntegerField(source="before.number")
    after = serializers.IntegerField(source="after.number")
    is_same = serializers.BooleanField(source="changes.is_same")
    steps = StepChangeSerializer(many=True, source="changes.steps")
    rest = DifferencesSerializer(source="changes.rest", help_text="Outside of steps.")
    inherited = serializers.ListField(
        child=serializers.CharField(),
        source="changes.inherited",
        help_text="Steps that are written as before and mean something else, because `defaults` have changed.",
    )
    unified = serializers.ListField(child=serializers.CharField(), help_text="The sources as a unified diff, by lines.")
