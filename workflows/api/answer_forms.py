"""The forms of what people are asked and answer; they check shapes and decide nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework import serializers

from workflows import human_queries
from workflows.api.state_field import StateField
from workflows.core.voting import Choice, OnExpiry, RequestKind, RequestState
from workflows.models import HumanAnswer, HumanRequest

_SHOWN = 50


class AnswerSerializer(serializers.ModelSerializer[HumanAnswer]):
    """What one person answered."""

    by = serializers.CharField(source="name")
    choice = StateField(Choice)

    class Meta:
        model = HumanAnswer
        fields = ("by", "choice", "comment", "form", "digest", "actor", "via", "at")


class RequestSerializer(serializers.ModelSerializer[HumanRequest]):
    """What people are asked, and how it stands."""

    kind = StateField(RequestKind)
    state = StateField(RequestState)
    run = serializers.UUIDField(source="run_id")
    workflow = serializers.CharField(source="workflow_name")
    digest = serializers.CharField(help_text="SHA-256 of title, description, show and form: what people saw.")
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
            "opened_at",
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
            "may_answer",
            "output",
        )

    def get_answers(self, row: HumanRequest) -> Sequence[Mapping[str, Any]]:  # Any: JSON
        """This will give the answers in their order."""
        return list(AnswerSerializer(human_queries.answers_of(row), many=True).data)

    def get_approvers(self, row: HumanRequest) -> int:
        """This will say how many must approve."""
        return human_queries.asking_of(row).approvers

    def get_rejections(self, row: HumanRequest) -> int:
        """This will say how many must reject."""
        return human_queries.asking_of(row).rejections

    def get_may_answer(self, row: HumanRequest) -> Sequence[str]:
        """This will name some of those who may answer now and have not."""
        return human_queries.who_may_answer(row, limit=_SHOWN) if row.state == RequestState.OPEN else []


class AsUserSerializer(serializers.Serializer[Any]):
    """For whom a token speaks."""

    as_user = serializers.CharField(
        required=False,
        default="",
        max_length=150,
        help_text="The user whose answer a token brings; a user of this site answers for nobody else.",
    )
    comment = serializers.CharField(required=False, default="", allow_blank=True, max_length=4_000)


class DecisionSerializer(AsUserSerializer):
    """The decision of one person."""

    decision = serializers.ChoiceField(choices=[Choice.APPROVE.value, Choice.REJECT.value])
    form = serializers.JSONField(required=False, default=None, help_text="What the form of the approval asks for.")
