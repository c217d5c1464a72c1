"""The forms of releases in requests and answers; they check shapes and decide nothing."""

from typing import Any

from rest_framework import serializers

from workflows import operations
from workflows.core.canary import Rule
from workflows.models import Release


class ShareSerializer(serializers.Serializer[Any]):
    """The share of starts that a version gets on trial, and when it is taken back by itself."""

    percent = serializers.FloatField(help_text="0 to 100.")
    failed_percent = serializers.FloatField(
        required=False, default=None, allow_null=True, help_text="So many failures roll it back; needs `after_runs`."
    )
    after_runs = serializers.IntegerField(
        required=False, default=None, allow_null=True, help_text="When so many of its runs have ended."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """This will refuse half a rule."""
        if (attrs["failed_percent"] is None) is not (attrs["after_runs"] is None):
            raise serializers.ValidationError("failed_percent and after_runs belong together: send both, or none")
        return attrs

    def canary(self) -> operations.Canary:
        """This will give what was sent, once it is valid."""
        sent = self.validated_data
        rule = None if sent["after_runs"] is None else Rule(sent["failed_percent"], sent["after_runs"])
        return operations.Canary(percent=sent["percent"], rule=rule)


class SetCanarySerializer(ShareSerializer):
    """Which version is on trial, and how."""

    version = serializers.IntegerField(
        required=False,
        default=None,
        allow_null=True,
        min_value=1,
        help_text="Without it the one on trial, else the newest.",
    )


class ReasonSerializer(serializers.Serializer[Any]):
    """Why a canary is taken back."""

    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=1000)


class PromoteSerializer(ReasonSerializer):
    """Which version all starts shall get, and why."""

    version = serializers.IntegerField(
        required=False, default=None, allow_null=True, min_value=1, help_text="Without it the one on trial."
    )


class FiguresSerializer(serializers.Serializer[Any]):
    """What has become of the runs of one version since the trial began; `runs` is the sum of the four behind it."""

    runs = serializers.IntegerField()
    running = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    failed_percent = serializers.FloatField(allow_null=True, help_text="Of those that succeeded or failed.")
    median_s = serializers.FloatField(allow_null=True, help_text="How long the succeeded ones took.")
    p95_s = serializers.FloatField(allow_null=True)


class TrialSerializer(serializers.Serializer[Any]):
    """The version in use and the canary beside each other."""

    since = serializers.DateTimeField()
    stable = FiguresSerializer()
    canary = FiguresSerializer()
    is_cut = serializers.BooleanField(help_text="Only the latest 10,000 runs of a version are counted.")


class ReleaseSerializer(serializers.ModelSerializer[Release]):
    """Which versions starts get, and since when."""

    version = serializers.IntegerField(source="version.number", help_text="What starts get.")
    canary = serializers.IntegerField(source="canary.number", default=None, allow_null=True, help_text="On trial.")

    class Meta:
        model = Release
        fields = (
            "id",
            "version",
            "canary",
            "canary_percent",
            "failed_percent",
            "after_runs",
            "cause",
            "reason",
            "began_at",
            "began_by",
        )


class ReleaseDetailSerializer(ReleaseSerializer):
    """The release in use; `trial` has the figures while a canary is under way."""

    trial = TrialSerializer(allow_null=True)

    class Meta(ReleaseSerializer.Meta):
        fields = (*ReleaseSerializer.Meta.fields, "trial")  # type: ignore[assignment]  # longer
