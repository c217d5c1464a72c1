"""The rows of the call ledger; they say what was asked of the outside, and hold no secret."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from integrations.calls.rules import Outcome


class Call(models.Model):
    """One outbound call of a step, over all its attempts. Written by `integrations.calls` only."""

    key = models.UUIDField(primary_key=True, help_text="The idempotency key, the same in every attempt.")
    run_id = models.UUIDField()
    workflow_name = models.CharField(max_length=100)
    step = models.CharField(max_length=100)
    index = models.IntegerField(null=True, help_text="The item of a for_each; empty: the step itself.")
    round = models.IntegerField(null=True, help_text="The round of a repeat_until.")
    correlation_id = models.CharField(max_length=200)
    adapter = models.CharField(max_length=100)
    connection = models.CharField(max_length=100, blank=True, default="")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the request, without secrets.")
    is_safe = models.BooleanField(default=False, help_text="It changes nothing outside.")
    outcome = models.CharField(max_length=12, choices=[(one.value, one.value) for one in Outcome])
    happened = models.BooleanField(null=True, help_text="Whether the effect is there outside; empty: nobody knows.")
    is_uncertain = models.BooleanField(default=False, help_text="An earlier attempt may have happened.")
    settled_by = models.CharField(max_length=10, blank=True, default="")
    attempts = models.IntegerField(help_text="How often it was sent.")
    look_ups = models.IntegerField(default=0, help_text="How often it was looked up.")
    first_sent_at = models.DateTimeField()
    last_sent_at = models.DateTimeField()
    until_at = models.DateTimeField(help_text="When its last attempt is over at the latest.")
    duration_ms = models.FloatField(null=True, help_text="How long the last attempt took.")
    evidence = models.JSONField(null=True, help_text="What is known of the last failure or settlement.")
    output = models.JSONField(null=True, help_text="What it gave, unless that is too large.")
    has_output = models.BooleanField(default=False)

    class Meta:
        db_table = "integrations_call"
        ordering = ("-first_sent_at", "key")
        indexes = (
            models.Index(fields=("key",), name="call_by_key"),
            models.Index(fields=("-first_sent_at",), name="call_by_time"),
            models.Index(fields=("connection", "-first_sent_at"), name="call_by_connection"),
            models.Index(fields=("-first_sent_at",), condition=Q(happened__isnull=True), name="call_unsettled"),
        )

    def __str__(self) -> str:
        return f"{self.run_id}/{self.place} {self.adapter}: {self.outcome}"

    @property
    def place(self) -> str:
        """This will name the step, with its item and round where it has them."""
        item = self.step if self.index is None else f"{self.step}[{self.index}]"
        return item if self.round is None else f"{item} round {self.round}"

    @property
    def is_open(self) -> bool:
        """This will tell whether somebody has to find out what came of it; of one that changes nothing nobody has."""
        return self.happened is None and not self.is_safe


class CallFile(models.Model):
    """A file that a call gave or left as evidence, once for each content. It goes with its call."""

    id = models.BigAutoField(primary_key=True)
    run_id = models.UUIDField(db_index=True)
    key = models.UUIDField(help_text="The idempotency key of the call.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the content.")
    name = models.CharField(max_length=100)
    media_type = models.CharField(max_length=100)
    size_bytes = models.IntegerField()
    content = models.BinaryField()
    kept_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "integrations_call_file"
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("key", "digest"), name="call_file_once"),)

    def __str__(self) -> str:
        return f"{self.name}: {self.media_type}"

    @property
    def is_picture(self) -> bool:
        """This will tell whether a browser may show it: what could run there is only handed out."""
        return self.media_type in ("image/jpeg", "image/png")
