"""The form of a start; it checks shapes and decides nothing."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

PRIORITY_MIN, PRIORITY_MAX = -100, 100


class StartSerializer(serializers.Serializer[Any]):
    """A run to start."""

    workflow = serializers.CharField(max_length=100)
    input = serializers.JSONField(required=False, default=None, allow_null=True)
    version = serializers.IntegerField(
        required=False,
        default=None,
        allow_null=True,
        min_value=1,
        help_text="This version, whatever is in use; without it the one in use, or the canary for its share.",
    )
    priority = serializers.IntegerField(
        required=False,
        default=0,
        min_value=PRIORITY_MIN,
        max_value=PRIORITY_MAX,
        help_text="Higher starts first.",
    )
    delay_s = serializers.FloatField(
        required=False, default=None, allow_null=True, help_text="Start in so many seconds."
    )
    start_at = serializers.CharField(
        required=False,
        default=None,
        allow_null=True,
        help_text="Start then: ISO 8601 with its offset; an instant that has passed means at once.",
    )
    mode = serializers.ChoiceField(
        choices=["live", "dry_run"], required=False, default="live", help_text="dry_run: with no effect outside."
    )
    pins = serializers.JSONField(
        required=False, default=None, allow_null=True, help_text="What the steps of a dry run are answered with."
    )
    pins_from = serializers.UUIDField(
        required=False, default=None, allow_null=True, help_text="The run whose outputs stand for what is not pinned."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:  # Any: the framework's signature
        """This will refuse pins of a run that is no dry run: somebody expects what will not be."""
        if attrs["mode"] != "dry_run":
            given = [name for name in ("pins", "pins_from") if attrs[name] is not None]
            if given:
                raise serializers.ValidationError(dict.fromkeys(given, "only a dry run has pins: add `mode: dry_run`"))
        return attrs


_form = StartSerializer()
_form.fields  # noqa: B018  made here, once: a form that is made anew copies every field


def read_start(data: Any) -> Mapping[str, Any]:  # Any: what the request's JSON holds
    """This will give what a request asks for. Raises ValidationError.

    One form serves all requests, because it keeps nothing of them; what is wrong is worded by one of the request's own.
    """
    try:
        wanted: Mapping[str, Any] = _form.run_validation(data)
    except serializers.ValidationError:
        StartSerializer(data=data).is_valid(raise_exception=True)
        raise
    return wanted
