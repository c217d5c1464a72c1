"""The forms of schedules in requests and answers; they check shapes and decide nothing."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from automation.schedule.backfill import Order, Reprocess
from automation.schedule.decide import Cause, FireState
from automation.schedule.waiting import ScheduleWait
from workflows.api.state_field import StateField


class ScheduleSerializer(serializers.Serializer[Any]):
    """A schedule. `rule` is its document without name and input; `state`: active, paused, ended, exhausted."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    source = serializers.CharField(  # type: ignore[assignment]  # the framework means something else by the word
        help_text="definition, user or periodic_task: where it is changed."
    )
    workflow = serializers.CharField(help_text="Empty: a Celery task of a periodic task.")
    input = serializers.JSONField()
    rule = serializers.JSONField()
    state = serializers.CharField()
    paused_at = serializers.DateTimeField(allow_null=True)
    paused_by = serializers.CharField()
    paused_reason = serializers.CharField()
    failures = serializers.IntegerField(help_text="Failed runs in a row.")
    last_due_at = serializers.DateTimeField(allow_null=True)
    next_due_at = serializers.DateTimeField(allow_null=True)
    next_fire_at = serializers.DateTimeField(allow_null=True, help_text="The due time with its jitter.")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    ended_at = serializers.DateTimeField(allow_null=True)


class PoliciesSerializer(serializers.Serializer[Any]):
    """What matters besides when something is due; the keys of `on.schedule` in a definition."""

    misfire = serializers.CharField(required=False)
    window = serializers.JSONField(required=False)
    overlap = serializers.CharField(required=False)
    jitter = serializers.JSONField(required=False)
    calendars = serializers.JSONField(required=False)
    exclude = serializers.JSONField(required=False)
    pause_after = serializers.IntegerField(required=False)
    priority = serializers.IntegerField(required=False)
    dst = serializers.JSONField(required=False)


class ScheduleFormSerializer(PoliciesSerializer):
    """A schedule as it is written: the keys of `on.schedule` in a definition, with a name and a workflow."""

    name = serializers.CharField(max_length=100, help_text="Lower-case words joined by hyphens.")
    workflow = serializers.CharField(max_length=100)
    cron = serializers.CharField(required=False)
    every = serializers.JSONField(required=False, help_text="A length of time, as 15m or 900.")
    at = serializers.JSONField(required=False, help_text="An instant or a list of them.")
    solar = serializers.JSONField(required=False)
    timezone = serializers.CharField(required=False)
    start = serializers.CharField(required=False)
    end = serializers.CharField(required=False)
    input = serializers.JSONField(required=False)


class ReasonSerializer(serializers.Serializer[Any]):
    """Why."""

    reason = serializers.CharField(max_length=500, help_text="Shown on the schedule and in the audit trail.")


class FireSerializer(serializers.Serializer[Any]):
    """A due time and what became of it."""

    id = serializers.IntegerField()
    due_at = serializers.DateTimeField()
    fire_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    late_ms = serializers.IntegerField()
    cause = StateField(Cause)
    state = StateField(FireState)
    reason = serializers.CharField(help_text="misfire, window, calendar, overlap or refused; empty: none.")
    detail = serializers.CharField()
    run = serializers.UUIDField(source="run_id", allow_null=True)
    run_state = serializers.CharField()
    backfill = serializers.IntegerField(source="backfill_id", allow_null=True)


class UpcomingSerializer(serializers.Serializer[Any]):
    """A due time to come."""

    due_at = serializers.SerializerMethodField()
    local_at = serializers.SerializerMethodField()
    fire_at = serializers.DateTimeField()
    skipped_by = serializers.CharField(help_text="The calendar that excludes it; empty: none.")
    note = serializers.CharField(help_text="What a change of the clock does to it; empty: nothing.")

    def get_due_at(self, one: Any) -> str:  # Any: as the framework declares it
        """This will write the instant in UTC."""
        return _iso(one.due_at)

    def get_local_at(self, one: Any) -> str:  # Any: as the framework declares it
        """This will write the instant in the schedule's zone."""
        return _iso(one.local_at)


class PreviewSerializer(serializers.Serializer[Any]):
    """The next due times of a schedule."""

    results = UpcomingSerializer(many=True)


class ScheduleReasonSerializer(serializers.Serializer[Any]):
    """Why a schedule does not start anything now."""

    reason = StateField(ScheduleWait)
    object_kind = serializers.CharField(help_text="What kind of thing it waits for: `instant`, `run`, `calendar`, ...")
    object_name = serializers.CharField()
    due_at = serializers.DateTimeField(allow_null=True, help_text="The due time that is held up.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True, help_text="When it is over by itself; null: not known.")
    says = serializers.CharField(help_text="The reason in words.")
    ends_when = serializers.CharField(help_text="What would end it, in words.")
    position = serializers.IntegerField(allow_null=True, help_text="The place in the buffer, from 1.")
    ahead = serializers.ListField(child=serializers.CharField(), help_text="What is in the way, and what it waits for.")


class BecameSerializer(serializers.Serializer[Any]):
    """What has become of the latest due time."""

    due_at = serializers.DateTimeField()
    state = serializers.CharField()
    reason = serializers.CharField()
    says = serializers.CharField()
    run = serializers.UUIDField(source="run_id", allow_null=True)


class ScheduleExplanationSerializer(serializers.Serializer[Any]):
    """What a schedule waits for; `reasons` is never empty."""

    id = serializers.IntegerField()
    schedule = serializers.CharField()
    workflow = serializers.CharField()
    state = serializers.CharField()
    summary = serializers.CharField(help_text="The first reason in one line.")
    reasons = ScheduleReasonSerializer(many=True)
    latest = BecameSerializer(allow_null=True)


class BackfillFormSerializer(serializers.Serializer[Any]):
    """What is to be made up for: due times after `start` up to and including `end`."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    order = serializers.ChoiceField(choices=[one.value for one in Order], default=Order.FORWARD.value)
    parallel = serializers.IntegerField(default=1, help_text="Runs under way at a time: 1 to 1,000.")
    reprocess = serializers.ChoiceField(
        choices=[one.value for one in Reprocess],
        default=Reprocess.NONE.value,
        help_text="Which due times that have a fire already are done again.",
    )
    dry_run = serializers.BooleanField(default=False, help_text="Only list what would be done.")


class BackfillPlanSerializer(serializers.Serializer[Any]):
    """What a backfill would do, in its order."""

    dues = serializers.ListField(child=serializers.DateTimeField())
    left_alone = serializers.ListField(child=serializers.DateTimeField(), help_text="They have a fire already.")
    excluded = serializers.ListField(child=serializers.DateTimeField(), help_text="Days off.")


class BackfillSerializer(serializers.Serializer[Any]):
    """A backfill and how far it is."""

    id = serializers.IntegerField()
    schedule = serializers.IntegerField(source="schedule_id")
    start = serializers.DateTimeField(source="starts_at")
    end = serializers.DateTimeField(source="ends_at")
    order = serializers.CharField()
    parallel = serializers.IntegerField()
    reprocess = serializers.CharField()
    state = serializers.CharField(help_text="running, stopped or done.")
    total = serializers.SerializerMethodField()
    position = serializers.IntegerField(help_text="Due times looked at.")
    made = serializers.IntegerField(help_text="Fires made.")
    passed_over = serializers.IntegerField(help_text="Due times that had got a fire meanwhile.")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    ended_at = serializers.DateTimeField(allow_null=True)

    def get_total(self, backfill: Any) -> int:  # Any: as the framework declares it
        """This will count its due times."""
        return len(backfill.dues)


class CalendarSerializer(serializers.Serializer[Any]):
    """A calendar of days off."""

    name = serializers.CharField()
    description = serializers.CharField()
    days = serializers.JSONField()
    updated_at = serializers.DateTimeField()


class CalendarListSerializer(serializers.Serializer[Any]):
    """All calendars by name."""

    results = CalendarSerializer(many=True)


class CalendarFormSerializer(serializers.Serializer[Any]):
    """What a calendar shall be; without a description that stays as it is."""

    days = serializers.DictField(help_text="dates, ranges and weekdays, as in `exclude` of a schedule.")
    description = serializers.CharField(required=False, allow_blank=True, max_length=500)


def _iso(instant: datetime) -> str:
    return instant.isoformat()
