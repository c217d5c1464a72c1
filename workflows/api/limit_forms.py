"""The forms of limits in requests and answers; they check shapes and decide nothing."""

from typing import Any

from rest_framework import serializers


class LimitSerializer(serializers.Serializer[Any]):
    """A limit and how full it is. `held` may pass `capacity` for a while after that was lowered."""

    name = serializers.CharField()
    capacity = serializers.IntegerField()
    description = serializers.CharField()
    held = serializers.IntegerField()
    waiting = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class LimitListSerializer(serializers.Serializer[Any]):
    """All limits by name."""

    results = LimitSerializer(many=True)


class HolderSerializer(serializers.Serializer[Any]):
    """A step that has a slot; `until` is the end of its worker's lease, unless that is renewed."""

    number = serializers.IntegerField()
    run = serializers.UUIDField(source="run_id")
    step = serializers.CharField()
    owner = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()


class WaiterSerializer(serializers.Serializer[Any]):
    """A step that waits in line."""

    position = serializers.IntegerField(help_text="Counts from 1.")
    run = serializers.UUIDField(source="run_id")
    step = serializers.CharField()
    priority = serializers.IntegerField()
    since = serializers.DateTimeField()


class LimitDetailSerializer(LimitSerializer):
    """A limit with the first hundred who have a slot, and who wait, in their order."""

    holders = HolderSerializer(many=True)
    line = WaiterSerializer(many=True)


class SetLimitSerializer(serializers.Serializer[Any]):
    """What a limit shall be; without a description that stays as it is."""

    capacity = serializers.IntegerField(help_text="How many slots: 0 to 10,000; 0 lets nothing begin.")
    description = serializers.CharField(required=False, allow_blank=True, max_length=500)
