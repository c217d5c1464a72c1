"""The forms of what people are asked and answer; they check shapes and decide nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from workflows import human_queries, human_rights
from workflows.api.state_field import StateField
from workflows.core.voting import Choice, OnExpiry, RequestKind, RequestState
from workflows.models import HumanAnswer, HumanDelegation, HumanRequest

_SHOWN = 50


class AnswerSerializer(serializers.ModelSerializer[HumanAnswer]):
    """What one person answered."""

    by = serializers.CharField(source="name")
    choice = StateField(Choice)
    behalf = serializers.ListField(
        child=serializers.CharField(), help_text="Those who handed their say to this person, by name."
    )

    class Meta:
        model = HumanAnswer
        fields = ("by", "behalf", "choice", "comment", "form", "digest", "actor", "via", "at")


class DelegationSerializer(serializers.ModelSerializer[HumanDelegation]):
    """Who handed the say to whom."""

    giver = serializers.CharField(source="giver_name")
    taker = serializers.CharField(source="taker_name")

    class Meta:
        model = HumanDelegation
        fields = ("giver", "taker", "reason", "digest", "actor", "via", "at")


class RequestSerializer(serializers.ModelSerializer[HumanRequest]):
    """What people are asked, and how it stands."""

    kind = StateField(RequestKind)
    state = StateField(RequestState)
    run = serializers.UUIDField(source="run_id")
    workflow = serializers.CharField(source="workflow_name")
    digest = serializers.CharField(help_text="SHA-256 of title, description, show and form: what people saw.")
    claimed_by = serializers.CharField(source="claimed_name", help_text="Who has a task, by name; empty: nobody.")
    on_expiry = serializers.SerializerMethodField()

    class Meta:
        model = HumanRequest
        fields = (
            "id",
            "kind",
            "state",
            "run",
            "workflow",
            "step",
            "index",
            "title",
            "description",
            "users",
            "groups",
            "digest",
            "claimed_by",
            "claimed_at",
            "opened_at",
            "due_at",
            "overdue_at",
            "expires_at",
            "on_expiry",
            "closed_at",
            "closed_by",
        )

    def get_on_expiry(self, row: HumanRequest) -> OnExpiry:
        """This will say what it comes to when nobody decides in time."""
        return human_queries.asking_of(row).on_expiry


class RequestDetailSerializer(RequestSerializer):
    """What people are asked with all that they see, the answers, and who may answer now."""

    answers = serializers.SerializerMethodField()
    delegations = serializers.SerializerMethodField()
    approvers = serializers.SerializerMethodField()
    rejections = serializers.SerializerMethodField()
    may_answer = serializers.SerializerMethodField()

    class Meta(RequestSerializer.Meta):
        fields = (  # type: ignore[assignment]  # longer
            *RequestSerializer.Meta.fields,
            "show",
            "form",
            "approvers",
            "rejections",
            "answers",
            "delegations",
            "may_answer",
            "output",
        )

    @extend_schema_field(AnswerSerializer(many=True))
    def get_answers(self, row: HumanRequest) -> Sequence[Mapping[str, Any]]:  # Any: JSON
        """This will give the answers in their order."""
        return list(AnswerSerializer(human_queries.answers_of(row), many=True).data)

    @extend_schema_field(DelegationSerializer(many=True))
    def get_delegations(self, row: HumanRequest) -> Sequence[Mapping[str, Any]]:  # Any: JSON
        """This will give the delegations in their order."""
        return list(DelegationSerializer(human_rights.delegations_of(row), many=True).data)

    def get_approvers(self, row: HumanRequest) -> int:
        """This will say how many must approve."""
        return human_queries.asking_of(row).approvers

    def get_rejections(self, row: HumanRequest) -> int:
        """This will say how many must reject."""
        return human_queries.asking_of(row).rejections

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_may_answer(self, row: HumanRequest) -> Sequence[str]:
        """This will name some of those who may answer now and have not."""
        return human_rights.who_may_answer(row, limit=_SHOWN) if row.state == RequestState.OPEN else []


class SpeakerSerializer(serializers.Serializer[Any]):
    """For whom a token speaks."""

    as_user = serializers.CharField(
        required=False,
        default="",
        max_length=150,
        help_text="The user whose answer a token brings; a user of this site answers for nobody else.",
    )


class LinkSerializer(serializers.Serializer[Any]):
    """An address at which one person answers without signing in. It is a secret."""

    url = serializers.URLField()
    expires_at = serializers.DateTimeField(allow_null=True)


class HandoverSerializer(SpeakerSerializer):
    """To whom somebody hands his say."""

    to = serializers.CharField(max_length=150, help_text="The name of an active user.")
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=1_000)


class AsUserSerializer(SpeakerSerializer):
    """For whom a token speaks, with a comment."""

    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=4_000)


class CompletionSerializer(AsUserSerializer):
    """One person says that a task is done."""

    form = serializers.JSONField(required=False, default=None, help_text="What the form of the task asks for.")


class DecisionSerializer(AsUserSerializer):
    """The decision of one person."""

    decision = serializers.ChoiceField(choices=[Choice.APPROVE.value, Choice.REJECT.value])
    form = serializers.JSONField(required=False, default=None, help_text="What the form of the approval asks for.")
