"""The forms of what changes runs from outside, and of why they wait; they check shapes and decide nothing."""

from typing import Any

from rest_framework import serializers

from workflows.api.state_field import StateField
from workflows.core.pausing import PauseScope
from workflows.core.states import RunState, WaitReason
from workflows.models import Pause


class ReasonSerializer(serializers.Serializer[Any]):
    """Why a run is not further on at one step."""

    step = serializers.CharField()
    reason = StateField(WaitReason)
    object_kind = serializers.CharField(help_text="What kind of thing it waits for: `lane`, `limit`, `connection`, ...")
    object_name = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True, help_text="When the engine acts by itself; null: not known.")
    says = serializers.CharField(help_text="The reason in words.")
    ends_when = serializers.CharField(help_text="What would end it, in words.")
    attempt = serializers.IntegerField()
    is_running = serializers.BooleanField()
    position = serializers.IntegerField(allow_null=True, help_text="The place in a line, from 1.")
    ahead = serializers.ListField(child=serializers.CharField(), help_text="Who or what comes first.")
    count = serializers.IntegerField(help_text="How many pullers of a `for_each` wait alike.")
    fails_at = serializers.DateTimeField(allow_null=True, help_text="When the step fails by itself (`timeout`).")


class BehindSerializer(serializers.Serializer[Any]):
    """A step that has not been reached."""

    step = serializers.CharField()
    waits_for = serializers.ListField(child=serializers.CharField(), help_text="Its needs that have not ended.")


class ExplanationSerializer(serializers.Serializer[Any]):
    """Why a run is where it is; `reasons` is empty only when it has ended."""

    run = serializers.UUIDField(source="run_id")
    workflow = serializers.CharField()
    state = StateField(RunState)
    summary = serializers.CharField(help_text="All of it in one line.")
    ended_at = serializers.DateTimeField(allow_null=True)
    deadline_at = serializers.DateTimeField(allow_null=True)
    reasons = ReasonSerializer(many=True)
    behind = BehindSerializer(many=True)


class ClosingSerializer(serializers.Serializer[Any]):
    """The end of a run, by steps."""

    ending = serializers.CharField(allow_blank=True, help_text="As what it ends when all it owes is done.")
    until = serializers.DateTimeField(allow_null=True, help_text="When steps that may still end are stopped.")
    done = serializers.ListField(child=serializers.CharField(), help_text="Main steps that have succeeded.")
    going = serializers.ListField(child=serializers.CharField(), help_text="Steps under way.")
    undone = serializers.ListField(child=serializers.CharField(), help_text="Steps whose undo has succeeded.")
    to_undo = serializers.ListField(
        child=serializers.CharField(),
        help_text="Steps that will be undone, in this order; of a run that has ended, those an undo would undo.",
    )
    at_end = serializers.ListField(child=serializers.CharField(), help_text="`finally` steps that are still to come.")


class RetryReportSerializer(serializers.Serializer[Any]):
    """A retry: the new run, whose work it does again, from where, and what has come of it."""

    run = serializers.UUIDField(help_text="The new run.")
    of = serializers.UUIDField(help_text="The run whose work it does again.")
    start = serializers.CharField(help_text="`failed`, `step` or `start`.")
    step = serializers.CharField(allow_blank=True)
    state = serializers.CharField(help_text="`retrying` until the new run has ended, then what it ended as.")
    reused = serializers.ListField(child=serializers.CharField(), help_text="Steps whose results it took over.")
    is_input_edited = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)
    asked_by = serializers.CharField()
    asked_at = serializers.DateTimeField()


class CancelSerializer(serializers.Serializer[Any]):
    """Why and how a run is cancelled."""

    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=1000)
    grace_s = serializers.FloatField(
        required=False,
        default=None,
        allow_null=True,
        min_value=0,
        max_value=86_400,
        help_text="How long steps under way may go on; without it, as the workflow says.",
    )
    undo = serializers.BooleanField(
        required=False,
        default=None,
        allow_null=True,
        help_text="Whether what was done is undone; without it, as the workflow says.",
    )
    force = serializers.BooleanField(
        required=False, default=False, help_text="End it at once, whatever it owes: no grace, no undo, no `finally`."
    )


class UndoSerializer(serializers.Serializer[Any]):
    """Why a run is undone."""

    reason = serializers.CharField(max_length=1000)


class PauseTargetSerializer(serializers.Serializer[Any]):
    """What is paused."""

    scope = StateField(PauseScope)
    name = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=100,
        help_text="The id of the run, or the name of the workflow, connection or lane; empty for the platform.",
    )


class PauseWantedSerializer(PauseTargetSerializer):
    """What shall be paused, and why."""

    reason = serializers.CharField(max_length=500, help_text="Shown on everything that waits because of it.")
    starts_only = serializers.BooleanField(
        required=False, default=False, help_text="Only runs that begin from now on; those under way go on."
    )
    holds_deadlines = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Deadlines of the runs that stand still are moved by as long as the pause lasts; else they go on.",
    )


class ResumeSerializer(PauseTargetSerializer):
    """What shall go on."""

    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class ResumedSerializer(serializers.Serializer[Any]):
    """What a resume has given back at once; the rest of a large number follows within seconds."""

    given_back = serializers.IntegerField()


class PauseSerializer(serializers.ModelSerializer[Pause]):
    """A pause in force."""

    scope = StateField(PauseScope)

    class Meta:
        model = Pause
        fields = ("scope", "name", "reason", "paused_by", "paused_at", "starts_only", "holds_deadlines")


class PauseListSerializer(serializers.Serializer[Any]):
    """All pauses in force, the earliest first."""

    results = PauseSerializer(many=True)
