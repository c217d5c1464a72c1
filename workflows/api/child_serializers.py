"""The forms of what steps add to a run: runs they have started, and further steps; they decide nothing."""

from typing import Any

from rest_framework import serializers

from workflows.core.subworkflow import Mode, ParentEnd
from workflows.models import GrownPlan


class ChildSerializer(serializers.Serializer[Any]):
    """A run that a step has started, or joined (`is_own` false: it does not end with this one)."""

    run = serializers.UUIDField(source="child_id")
    workflow = serializers.CharField(source="workflow_name")
    state = serializers.SerializerMethodField()
    step = serializers.CharField()
    index = serializers.IntegerField(allow_null=True, help_text="Of the item of a for_each.")
    round = serializers.IntegerField(help_text="The round of this run that it serves.")
    mode = serializers.ChoiceField(choices=[mode.value for mode in Mode])
    on_parent_end = serializers.ChoiceField(choices=[end.value for end in ParentEnd])
    is_own = serializers.BooleanField()
    depth = serializers.IntegerField(help_text="1: this run was started by no step.")
    created_at = serializers.DateTimeField()

    def get_state(self, link: Any) -> str:  # Any: a row with the state of its run
        """This will give the state of the run."""
        return str(link.state)


class GrownPlanSerializer(serializers.ModelSerializer[GrownPlan]):
    """What a run consists of since a step has returned further ones: a version of its own, which never changes."""

    class Meta:
        model = GrownPlan
        fields = ("number", "step", "steps", "content_hash", "plan_hash", "document", "created_at")
