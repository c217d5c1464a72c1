"""The tables of events: what was published, under which name it came, and which steps wait for what. Rows only."""

from enum import StrEnum

from django.db import models
from django.db.models import Q

from workflows.core.correlation import MAX_KEY, MAX_TYPE


class EventWaitState(StrEnum):
    """What has come of a step's wait for an event."""

    WAITING = "waiting"
    RECEIVED = "received"
    TIMED_OUT = "timed_out"
    CLOSED = "closed"
    """Its run or step ended without it."""


class Event(models.Model):
    """An event (CloudEvents 1.0) as it was published; it never changes. Divided by month, by its id."""

    id = models.UUIDField(primary_key=True, help_text="UUID version 7.")
    event_id = models.CharField(max_length=200, help_text="The id its source gave it.")
    source = models.CharField(max_length=300)
    type = models.CharField(max_length=MAX_TYPE)
    key = models.CharField(max_length=MAX_KEY, blank=True, default="", help_text="Correlates it with who waits for it.")
    subject = models.CharField(max_length=300, blank=True, default="")
    time = models.DateTimeField(null=True, blank=True, help_text="When it happened, as its source says.")
    data = models.JSONField(null=True, blank=True)
    attributes = models.JSONField(default=dict, blank=True, help_text="All other attributes.")
    published_by = models.CharField(max_length=200, help_text="The actor, as kind:id.")
    received_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="Until then it is there for steps that have not begun to wait yet.")

    class Meta:
        indexes = [models.Index(fields=("type", "key", "expires_at"), name="event_buffered")]

    def __str__(self) -> str:
        return f"{self.type} {self.key} ({self.event_id})"


class EventKey(models.Model):
    """The name of an event, by which a duplicate is known, whichever month the event lies in."""

    event = models.UUIDField(primary_key=True)
    source = models.CharField(max_length=300)
    event_id = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("source", "event_id"), name="event_once")]

    def __str__(self) -> str:
        return f"{self.source} {self.event_id}"


class EventWait(models.Model):
    """A step (or with `index` an item) that waits, or has waited, for an event: it receives one at most."""

    id = models.BigAutoField(primary_key=True)
    run_id = models.UUIDField()
    workflow_name = models.CharField(max_length=100)
    step = models.CharField(max_length=100)
    index = models.IntegerField(default=-1, help_text="The item of a for_each; -1: the step itself.")
    round = models.SmallIntegerField(default=0, help_text="How often the run had been brought back.")
    type = models.CharField(max_length=MAX_TYPE)
    key = models.CharField(max_length=MAX_KEY)
    source = models.CharField(max_length=300, blank=True, default="", help_text="Only events of it; empty: of any.")
    match = models.TextField(blank=True, default="", help_text="The condition on the event.")
    state = models.CharField(max_length=10, choices=[(state.value, state.value) for state in EventWaitState])
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, help_text="When it gives up; empty: never.")
    ended_at = models.DateTimeField(null=True)
    event = models.UUIDField(null=True, help_text="What it received.")
    passed_over = models.IntegerField(default=0, help_text="Events that did not match, at the latest look.")
    problem = models.CharField(max_length=500, blank=True, default="", help_text="Why the latest one did not match.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("run_id", "step", "index", "round"), name="event_wait_once"),
            models.CheckConstraint(
                condition=Q(state=EventWaitState.RECEIVED.value, event__isnull=False)
                | (~Q(state=EventWaitState.RECEIVED.value) & Q(event__isnull=True)),
                name="event_wait_received",
            ),
        ]
        indexes = [
            models.Index(
                fields=("type", "key"), condition=Q(state=EventWaitState.WAITING.value), name="event_wait_open"
            ),
            models.Index(fields=("event",), condition=Q(event__isnull=False), name="event_wait_event"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.step} {self.type} {self.key} {self.state}"
