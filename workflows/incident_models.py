"""The tables of what needs people: incidents, edited inputs, messages nobody could take. No I/O, no decisions.

An incident is found by the fingerprint of its failures (`workflows/core/fingerprint.py`). Failures only insert: the
sweep adds them to the incident's count, so that a thousand runs that fail at once never queue for one row.
"""

from enum import StrEnum

from django.db import models
from django.db.models import Q

from workflows.core.states import IncidentState, PoisonState


def _choices(states: type[StrEnum]) -> list[tuple[str, str]]:
    return [(state.value, state.value) for state in states]


class Incident(models.Model):
    """Equal failures, and what has become of them. `count` lacks those the sweep has not added yet."""

    fingerprint = models.CharField(primary_key=True, max_length=16)
    workflow_name = models.CharField(max_length=100, blank=True, help_text="Empty: a message, not a run, was wrong.")
    step = models.CharField(max_length=100, blank=True, help_text="Empty: the run itself failed.")
    kind = models.CharField(max_length=20)
    title = models.CharField(max_length=300, help_text="The message without its values.")
    example = models.TextField(help_text="The message of the first failure.")
    state = models.CharField(max_length=10, choices=_choices(IncidentState), default=IncidentState.OPEN)
    owner = models.CharField(max_length=150, blank=True, default="", help_text="Who looks after it.")
    reason = models.CharField(max_length=1000, blank=True, default="", help_text="Why it was given up.")
    count = models.BigIntegerField(default=0)
    reopened = models.IntegerField(default=0, help_text="How often it happened again after it was over.")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    opened_at = models.DateTimeField(help_text="When it was opened, or opened again.")
    changed_at = models.DateTimeField(help_text="When its state changed.")

    class Meta:
        ordering = ("-last_seen_at", "fingerprint")
        indexes = [
            models.Index(fields=("-last_seen_at", "fingerprint"), name="incident_latest"),
            models.Index(fields=("changed_at",), condition=Q(state=IncidentState.RESOLVING), name="incident_resolving"),
        ]

    def __str__(self) -> str:
        return f"{self.fingerprint} {self.title}"


class IncidentHour(models.Model):
    """How often an incident's failure happened within one hour."""

    pk = models.CompositePrimaryKey("fingerprint", "begins_at")
    fingerprint = models.CharField(max_length=16)
    begins_at = models.DateTimeField()
    count = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.fingerprint} {self.begins_at:%Y-%m-%d %H}h: {self.count}"


class InputOverride(models.Model):
    """Inputs, or the result, that somebody gave a step or item instead of its own, until it has succeeded."""

    id = models.BigAutoField(primary_key=True)
    run_id = models.UUIDField()
    step = models.CharField(max_length=100)
    index = models.IntegerField(default=-1, help_text="Index of the item; -1: the step itself.")
    payload = models.JSONField(null=True)
    is_result = models.BooleanField(default=False, db_default=False, help_text="The payload is its result.")
    edited_by = models.CharField(max_length=200)
    edited_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=("run_id", "step", "index"), name="override_once")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.step}[{self.index}] edited by {self.edited_by}"


class PoisonMessage(models.Model):
    """A message that no worker could take, as it lay in the queue `dead`. The work it named is not in it."""

    id = models.BigAutoField(primary_key=True)
    received_at = models.DateTimeField()
    queue = models.CharField(max_length=255, blank=True, help_text="Where it was before.")
    reason = models.CharField(max_length=100, help_text="What the broker says: rejected, delivery_limit, expired.")
    headers = models.JSONField(help_text="Its headers, without secrets.")
    properties = models.JSONField(help_text="Content type, priority and so on.")
    excerpt = models.TextField(blank=True, help_text="The beginning of its body, without secrets.")
    size_bytes = models.IntegerField()
    digest = models.CharField(
        max_length=64, help_text="SHA-256 of body and headers: the same message twice is one row."
    )
    refs = models.JSONField(default=list, help_text="The activations it named, as [run, segment, slot].")
    fingerprint = models.CharField(max_length=16)
    state = models.CharField(max_length=10, choices=_choices(PoisonState), default=PoisonState.OPEN)
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=200, blank=True, default="")
    note = models.CharField(max_length=1000, blank=True, default="", help_text="What became of it.")

    class Meta:
        ordering = ("-id",)
        indexes = [
            models.Index(fields=("digest",), name="poison_digest"),
            models.Index(fields=("fingerprint", "-id"), name="poison_incident"),
            models.Index(fields=("id",), condition=Q(state=PoisonState.OPEN), name="poison_open"),
        ]

    def __str__(self) -> str:
        return f"#{self.id} {self.reason} from {self.queue}"
