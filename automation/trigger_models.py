"""The tables of events that start runs: what definitions ask for, and what became of each event. Rows only."""

from enum import StrEnum

from django.db import models
from django.db.models import Q


class TriggerKind(StrEnum):
    """Which section of a definition's `on` it comes from."""

    EVENT = "event"
    WEBHOOK = "webhook"
    MISSING = "event_missing"


class FiringState(StrEnum):
    """What has become of an event at a trigger."""

    PENDING = "pending"
    STARTED = "started"
    PASSED = "passed"
    """Its `match` did not hold."""
    REFUSED = "refused"
    """No run could be started; `problem` says why."""


class EventTrigger(models.Model):
    """A section of a definition that starts runs at events, or when they stay away. It ends when it is taken out."""

    id = models.BigAutoField(primary_key=True)
    workflow = models.CharField(max_length=100)
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in TriggerKind])
    place = models.SmallIntegerField(help_text="Its place in its section.")
    type = models.CharField(max_length=200, help_text="Of the event; what stands before its * where it ends with one.")
    is_prefix = models.BooleanField(default=False)
    source = models.CharField(max_length=300, blank=True, default="", help_text="Only events of it; empty: of any.")
    match = models.TextField(blank=True, default="")
    input = models.JSONField(null=True)
    within_s = models.FloatField(default=0.0, help_text="Of what must come: how long it may stay away.")
    due_at = models.DateTimeField(null=True, help_text="Of what must come: when somebody looks whether it has.")
    missing_since = models.DateTimeField(null=True, help_text="When it was last known to stay away; empty: it came.")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "automation_event_trigger"
        ordering = ("workflow", "kind", "place")
        constraints = [
            models.UniqueConstraint(
                fields=("workflow", "kind", "place"), condition=Q(ended_at=None), name="trigger_once"
            )
        ]
        indexes = [
            models.Index(fields=("type",), condition=Q(ended_at=None), name="trigger_type"),
            models.Index(fields=("due_at",), condition=Q(ended_at=None, due_at__isnull=False), name="trigger_due"),
        ]

    def __str__(self) -> str:
        return f"{self.workflow} on {self.kind} {self.shown_type}"

    @property
    def shown_type(self) -> str:
        """This will give the type as it is written."""
        return f"{self.type}*" if self.is_prefix else self.type


class TriggerFiring(models.Model):
    """An event at a trigger: written with the event, settled with the run, and so neither is lost nor twice."""

    id = models.BigAutoField(primary_key=True)
    trigger = models.ForeignKey(EventTrigger, on_delete=models.CASCADE, related_name="firings")
    event = models.UUIDField()
    state = models.CharField(max_length=10, choices=[(state.value, state.value) for state in FiringState])
    run_id = models.UUIDField(null=True)
    problem = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "automation_trigger_firing"
        ordering = ("-id",)
        constraints = [models.UniqueConstraint(fields=("trigger", "event"), name="firing_once")]
        indexes = [
            models.Index(fields=("id",), condition=Q(state="pending"), name="firing_pending"),
            models.Index(fields=("event",), name="firing_event"),
        ]

    def __str__(self) -> str:
        return f"{self.trigger_id} {self.event} {self.state}"
