"""The forms of repairs: which dead letters are meant, what is done with them, and incidents; they decide nothing."""

from typing import Any

from rest_framework import serializers

from workflows.api.selection_form import SelectionForm
from workflows.api.state_field import StateField
from workflows.core.selection import NAMES, Selection
from workflows.core.states import IncidentState, PoisonState
from workflows.models import Incident, PoisonMessage
from workflows.operations.bulk_repairs import AT_ONCE, MOST_AT_ONCE

_SLOWEST, _FASTEST = 0.001, 10_000.0


class SelectionSerializer(SelectionForm):
    """Which open dead letters are meant: all of what is given must hold. Something must be given."""

    names = NAMES
    workflow = serializers.CharField(required=False)
    step = serializers.CharField(required=False, allow_blank=True, help_text="Empty: the run itself failed.")
    kind = serializers.CharField(required=False)
    incident = serializers.CharField(required=False, help_text="The fingerprint of an incident.")
    run = serializers.UUIDField(required=False)
    created_after = serializers.DateTimeField(required=False, help_text="Inclusive.")
    created_before = serializers.DateTimeField(required=False)
    message = serializers.CharField(required=False, help_text="A part of the message, in any case.")
    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**62), required=False, min_length=1, max_length=1_000
    )


def selection_of(given: dict[str, Any]) -> Selection:  # Any: checked values
    """This will be the selection that was asked for."""
    ids = given.get("ids")
    return Selection(**{**given, "ids": None if ids is None else tuple(ids)})


class _ManySerializer(serializers.Serializer[Any]):
    filter = SelectionSerializer()
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Only counts.")
    limit = serializers.IntegerField(
        required=False,
        default=AT_ONCE,
        min_value=1,
        max_value=MOST_AT_ONCE,
        help_text="How many at most, oldest first.",
    )


class RequeueManySerializer(_ManySerializer):
    """Which dead letters are tried again, and how fast."""

    per_second = serializers.FloatField(
        required=False,
        default=None,
        allow_null=True,
        min_value=_SLOWEST,
        max_value=_FASTEST,
        help_text="How many go on each second; without it all at once.",
    )


class DiscardManySerializer(_ManySerializer):
    """Which dead letters are given up, and why."""

    reason = serializers.CharField(max_length=1000)


class RequeueSerializer(serializers.Serializer[Any]):
    """How a dead letter is tried again."""

    payload = serializers.JSONField(
        required=False,
        default=None,
        help_text="Inputs instead of the evaluated ones; needs `runs:write` too. A masked value stays as it was.",
    )


class OutcomeSerializer(serializers.Serializer[Any]):
    """What became of those that matched: `matched` is `done` and the sum of `skipped`."""

    matched = serializers.IntegerField()
    done = serializers.IntegerField()
    skipped = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="By reason: dry_run, resolved_before, run_cancelled, not_requeueable, run_undone, run_ending, "
        "busy, unknown; of retries also retry_under_way, retried_before, refused, input_invalid, workflow_disabled.",
    )
    has_more = serializers.BooleanField(help_text="The same request again takes the next ones.")
    is_dry_run = serializers.BooleanField()


class IncidentSerializer(serializers.ModelSerializer[Incident]):
    """Equal failures. `count` is exact at the time of the answer."""

    workflow = serializers.CharField(source="workflow_name")
    state = StateField(IncidentState)
    count = serializers.SerializerMethodField()
    open = serializers.SerializerMethodField()
    pending = serializers.SerializerMethodField()

    class Meta:
        model = Incident
        fields = (
            "fingerprint",
            "workflow",
            "step",
            "kind",
            "title",
            "example",
            "state",
            "owner",
            "reason",
            "count",
            "open",
            "pending",
            "reopened",
            "first_seen_at",
            "last_seen_at",
            "changed_at",
        )

    def get_count(self, incident: Incident) -> int:
        """This will give how often it has happened."""
        return int(self.context["tallies"][incident.fingerprint].total)

    def get_open(self, incident: Incident) -> int:
        """This will give how many of its failures wait for a decision."""
        return int(self.context["tallies"][incident.fingerprint].open)

    def get_pending(self, incident: Incident) -> int:
        """This will give how many were requeued and have not succeeded yet."""
        return int(self.context["tallies"][incident.fingerprint].pending)


class AssignSerializer(serializers.Serializer[Any]):
    """Who looks after an incident."""

    owner = serializers.CharField(max_length=150, allow_blank=True, help_text="Empty: nobody.")


class ResolveSerializer(serializers.Serializer[Any]):
    """How the open failures of an incident are tried again."""

    per_second = serializers.FloatField(
        required=False, default=None, allow_null=True, min_value=_SLOWEST, max_value=_FASTEST
    )


class PoisonMessageSerializer(serializers.ModelSerializer[PoisonMessage]):
    """A message that no worker could take. `refs` names the activations it was to wake; secrets are masked."""

    state = StateField(PoisonState)
    incident = serializers.CharField(source="fingerprint")

    class Meta:
        model = PoisonMessage
        fields = (
            "id",
            "received_at",
            "queue",
            "reason",
            "headers",
            "properties",
            "excerpt",
            "size_bytes",
            "refs",
            "incident",
            "state",
            "changed_at",
            "changed_by",
            "note",
        )
