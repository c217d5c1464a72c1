"""The forms of retries: which runs, how, and what is done; they decide nothing."""

from typing import Any

from rest_framework import serializers

from workflows.api.selection_form import SelectionForm
from workflows.api.serializers import ProblemPlaceSerializer
from workflows.api.state_field import StateField
from workflows.core.retry_plan import RetryFrom
from workflows.core.run_selection import NAMES, RunSelection
from workflows.core.states import RunState
from workflows.operations import EditedInput, RetryWanted
from workflows.operations.bulk_repairs import AT_ONCE, MOST_AT_ONCE

_VERSIONS = ("same", "newest")
_ENDED = [state.value for state in RunState if state.is_ended]


class _HowSerializer(serializers.Serializer[Any]):
    """Where a retry begins, and on which version; `from` is a word of Python, and so it is added by name."""

    step = serializers.CharField(required=False, default="", allow_blank=True, help_text="With `from: step`.")
    version = serializers.ChoiceField(choices=_VERSIONS, required=False, default="same")
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=1000)
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Says what would be done.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """This will add `from`."""
        start = StateField(RetryFrom, required=False, default=RetryFrom.FAILED)
        return {"from": start, **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:  # Any: as the framework declares it
        """This will have a step named exactly where one is asked for."""
        if (attrs["from"] == RetryFrom.STEP) is not bool(attrs["step"]):
            raise serializers.ValidationError({"step": "goes with `from: step`, and only with that"})
        return attrs


class RetrySerializer(_HowSerializer):
    """How a run is retried; without `input` it has that of the run."""

    input = serializers.JSONField(required=False, allow_null=True)


class RunSelectionSerializer(SelectionForm):
    """Which ended runs are meant: all of what is given must hold. Something must be given; failed ones unless said."""

    names = NAMES
    workflow = serializers.CharField(required=False)
    version = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    state = serializers.ChoiceField(choices=_ENDED, required=False)
    kind = serializers.CharField(required=False, help_text="Of the error it ended with.")
    step = serializers.CharField(required=False, help_text="Of the error it ended with.")
    created_after = serializers.DateTimeField(required=False, help_text="Inclusive.")
    created_before = serializers.DateTimeField(required=False)
    ids = serializers.ListField(child=serializers.UUIDField(), required=False, min_length=1, max_length=1_000)


class RetryManySerializer(_HowSerializer):
    """Which runs are retried, how, and how fast."""

    filter = RunSelectionSerializer()
    per_second = serializers.FloatField(
        required=False, default=None, allow_null=True, min_value=0.001, max_value=10_000.0
    )
    limit = serializers.IntegerField(required=False, default=AT_ONCE, min_value=1, max_value=MOST_AT_ONCE)


class RetriedSerializer(serializers.Serializer[Any]):
    """What a retry does, or would do."""

    of = serializers.UUIDField()
    run = serializers.UUIDField(
        source="run_id",
        allow_null=True,
        help_text="Where the work goes on; null in a dry run of what would be a new run.",
    )
    is_new_run = serializers.BooleanField(help_text="False: what failed goes on in its own run, with its keys.")
    version = serializers.IntegerField()
    reused = serializers.ListField(
        child=serializers.CharField(), source="plan.reused", help_text="Steps whose results are taken over."
    )
    executed = serializers.DictField(
        child=serializers.CharField(),
        source="plan.executed",
        help_text="Steps that are executed, with why: chosen, no result, undone, returns, behind another one.",
    )
    dropped = serializers.ListField(
        child=serializers.CharField(), source="plan.dropped", help_text="Steps the version has no more."
    )
    hindrances = ProblemPlaceSerializer(many=True, source="plan.hindrances", help_text="Why it cannot be done.")


def wanted_of(given: dict[str, Any]) -> RetryWanted:  # Any: checked values
    """This will be the retry that was asked for."""
    return RetryWanted(
        start=RetryFrom(given["from"]),
        step=given["step"],
        on_newest=given["version"] == "newest",
        edited=EditedInput(given["input"]) if "input" in given else None,
        reason=given["reason"],
    )


def selection_of(given: dict[str, Any]) -> RunSelection:  # Any: checked values
    """This will be the selection that was asked for."""
    ids, state = given.get("ids"), given.get("state")
    return RunSelection(
        **{
            **given,
            "ids": None if ids is None else tuple(ids),
            "state": None if state is None else RunState(state),
        }
    )
