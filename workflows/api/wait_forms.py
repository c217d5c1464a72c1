"""The forms of what a run waits for; they show and decide nothing."""

from typing import Any

from rest_framework import serializers

from workflows.inspection import Wait


class PlaceSerializer(serializers.Serializer[Any]):
    """Where a run stands in the line for a slot, and who has the slots."""

    position = serializers.IntegerField(help_text="From 1: next.")
    waiting = serializers.IntegerField(help_text="How many wait there in all.")
    limit = serializers.IntegerField()
    holders = serializers.ListField(
        child=serializers.UUIDField(), help_text="Up to 10 runs; the end of one lets it in."
    )


class LineSerializer(serializers.Serializer[Any]):
    """Where a step stands in the line of a limit, and how full it is."""

    position = serializers.IntegerField(help_text="Counts from 1.")
    held = serializers.IntegerField()
    capacity = serializers.IntegerField()


class WaitSerializer(serializers.Serializer[Any]):
    """Why a run is not further on at one place; after `due_at` the engine acts by itself."""

    step = serializers.CharField()
    reason = serializers.CharField(
        help_text="`worker`, `running`, `retry`, `items`, `repeat`, `timer`, `approval`, `task`, `child_run`, "
        "`child_start`, `delayed`, `delayed_entry`, `limit`, `rate`, "
        "`breaker`, `concurrency`, `throttle`, `debounce` or `batch`."
    )
    object_kind = serializers.CharField(
        help_text="`lane`, `worker`, `attempt`, `items`, `round`, `start`, `instant`, `run`, `workflow`, `limit`, "
        "`connection`, `approvers`, `people` or `key`."
    )
    object_name = serializers.CharField()
    is_running = serializers.BooleanField()
    since = serializers.DateTimeField()
    due_at = serializers.DateTimeField(allow_null=True, help_text="Null: only the end of another run lets it in.")
    attempt = serializers.IntegerField()
    place = PlaceSerializer(allow_null=True, help_text="Where a run waits to be let in.")
    line = LineSerializer(allow_null=True, help_text="Where a limit is waited for.")
    fails_at = serializers.DateTimeField(allow_null=True, help_text="When the step fails by itself (`timeout`).")
    progress = serializers.JSONField(allow_null=True, help_text="What the step said last by its heartbeat.")
    beaten_at = serializers.DateTimeField(allow_null=True, help_text="When it gave its last sign of life.")
    requests = serializers.SerializerMethodField()

    def get_requests(self, wait: Wait) -> list[int]:
        """This will give the numbers of what people are asked and have not answered: see `/approvals` and `/tasks`."""
        return [row.id for row in wait.requests]
