"""The tables of schedules: what is due when, what became of each due time, calendars, backfills; rows only."""

from django.db import models
from django.db.models import Q

from automation.schedule.decide import Cause, FireState


class Schedule(models.Model):
    """Something that is due at times. `rule` is its document, as `automation.schedule.rule` reads it.

    `last_due_at` is the latest due time that is recorded, `next_due_at` the one that is planned and `next_fire_at`
    when it fires (with its jitter). A schedule is planned again whenever `is_planned` is false.
    """

    DEFINITION, USER, PERIODIC = "definition", "user", "periodic_task"

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=230, unique=True)
    source = models.CharField(max_length=20, help_text="definition, user or periodic_task: who says when it is due.")
    periodic_task_id = models.IntegerField(null=True, unique=True, help_text="The row of django-celery-beat behind it.")
    workflow = models.CharField(max_length=100, blank=True, help_text="Empty: its periodic task's own Celery task.")
    input = models.JSONField(null=True, blank=True)
    rule = models.JSONField()
    revision = models.IntegerField(default=0, help_text="Counts changes of what it says.")
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=200, blank=True)
    paused_reason = models.CharField(max_length=500, blank=True)
    ended_at = models.DateTimeField(null=True, help_text="Taken out of its definition, deleted, or done for good.")
    failures = models.IntegerField(default=0, help_text="Failed runs in a row.")
    last_due_at = models.DateTimeField(null=True)
    next_due_at = models.DateTimeField(null=True)
    next_fire_at = models.DateTimeField(null=True)
    is_planned = models.BooleanField(default=False)
    alarmed_due_at = models.DateTimeField(null=True, help_text="The due time of the latest alarm.")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)

    class Meta:
        ordering = ("name",)
        indexes = [
            models.Index(fields=("next_fire_at",), condition=Q(next_fire_at__isnull=False), name="schedule_next"),
            models.Index(fields=("id",), condition=Q(is_planned=False), name="schedule_unplanned"),
            models.Index(fields=("workflow",), name="schedule_workflow"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """This will give its state in one word."""
        if self.ended_at is not None:
            return "ended"
        if self.paused_at is not None:
            return "paused"
        return "active" if self.next_due_at is not None or not self.is_planned else "exhausted"


class Fire(models.Model):
    """One due time of one schedule: there is never a second row for it, and so never a second run."""

    id = models.BigAutoField(primary_key=True)
    schedule_id = models.BigIntegerField()
    due_at = models.DateTimeField()
    fire_at = models.DateTimeField(help_text="The due time with its jitter.")
    recorded_at = models.DateTimeField()
    cause = models.CharField(max_length=10, choices=[(one.value, one.value) for one in Cause])
    state = models.CharField(max_length=10, choices=[(one.value, one.value) for one in FireState])
    reason = models.CharField(max_length=10, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    run_id = models.UUIDField(null=True)
    run_state = models.CharField(max_length=20, blank=True)
    round = models.IntegerField(default=0, help_text="How often a backfill did it again.")
    backfill_id = models.BigIntegerField(null=True)
    claimed_until = models.DateTimeField(null=True, help_text="Until then somebody sends its message.")
    settled_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "automation_fire"
        ordering = ("-due_at",)
        constraints = [models.UniqueConstraint(fields=("schedule_id", "due_at"), name="fire_once")]
        indexes = [
            models.Index(fields=("fire_at", "id"), condition=Q(state="due"), name="fire_due"),
            models.Index(fields=("schedule_id", "due_at"), condition=Q(state="buffered"), name="fire_buffered"),
            models.Index(fields=("id",), condition=Q(state="sending"), name="fire_sending"),
            models.Index(fields=("schedule_id", "id"), condition=Q(run_state="running"), name="fire_running"),
            models.Index(fields=("backfill_id",), condition=Q(backfill_id__isnull=False), name="fire_backfill"),
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} at {self.due_at.isoformat()}"

    @property
    def late_ms(self) -> int:
        """This will give how late it was recorded, in milliseconds."""
        return round((self.recorded_at - self.fire_at).total_seconds() * 1000)


class DayCalendar(models.Model):
    """A named calendar of days on which schedules that name it are not due."""

    id = models.BigAutoField(primary_key=True)
    name = models.SlugField(max_length=60, unique=True, help_text="As schedules name it, for example holidays-de.")
    description = models.CharField(max_length=500, blank=True)
    days = models.JSONField(help_text="dates, ranges ({from, to}) and weekdays, as in the key exclude of a schedule.")
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "automation_calendar"
        ordering = ("name",)
        verbose_name = "calendar"

    def __str__(self) -> str:
        return self.name


class Backfill(models.Model):
    """Due times of the past that a schedule makes up for. `dues` are fixed when it is made; `position` counts them."""

    RUNNING, STOPPED, DONE = "running", "stopped", "done"

    id = models.BigAutoField(primary_key=True)
    schedule_id = models.BigIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    order = models.CharField(max_length=10, help_text="forward or backward.")
    parallel = models.IntegerField()
    reprocess = models.CharField(max_length=10, help_text="none, failed or completed.")
    dues = models.JSONField()
    position = models.IntegerField(default=0)
    made = models.IntegerField(default=0)
    passed_over = models.IntegerField(default=0)
    state = models.CharField(max_length=10)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = [models.Index(fields=("id",), condition=Q(state="running"), name="backfill_running")]

    def __str__(self) -> str:
        return f"backfill {self.pk} of schedule {self.schedule_id}"
