"""The tables of webhooks that go out: who is subscribed, and every message with its attempts. Rows only."""

from enum import StrEnum

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class MessageState(StrEnum):
    """What has become of a message."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    """All attempts failed, or its endpoint is gone; somebody may have it sent again."""


class Format(StrEnum):
    """How an event is written for an endpoint."""

    STANDARD = "standard"
    """`type`, `timestamp`, `event` and `data`, as Standard Webhooks recommends."""
    STRUCTURED = "cloudevents"
    """A CloudEvent, all of it in the body."""
    BINARY = "cloudevents-binary"
    """A CloudEvent: its data are the body, its attributes are headers."""


class WebhookEndpoint(models.Model):
    """Somebody who is sent events. Written by `automation.outbound` only; secrets are references."""

    id = models.BigAutoField(primary_key=True)
    name = models.SlugField(max_length=60, unique=True)
    url = models.CharField("URL", max_length=500, help_text="A public address; with a connection, a path of it.")
    connection = models.CharField(
        max_length=100, blank=True, default="", help_text="Sent through this connection, with its rules."
    )
    types = ArrayField(models.CharField(max_length=200), help_text="Types of events; order.* for all that begin so.")
    source = models.CharField(max_length=300, blank=True, default="", help_text="Only events of it; empty: of any.")
    secrets = ArrayField(
        models.CharField(max_length=200),
        help_text="Where its secrets are, the newest first, such as env:PARTNER_SECRET. Each gives a signature.",
    )
    format = models.CharField(
        max_length=20,
        choices=[(form.value, form.value) for form in Format],
        default=Format.STANDARD.value,
        db_default=Format.STANDARD.value,
        help_text="How events are written; a CloudEvent stands in the body, or (binary) has its attributes in headers.",
    )
    is_enabled = models.BooleanField("enabled", default=True)
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_reason = models.CharField(max_length=300, blank=True, default="", editable=False)
    failing_since = models.DateTimeField(null=True, editable=False, help_text="The first failure since a success.")
    updated_at = models.DateTimeField(editable=False)
    updated_by = models.CharField(max_length=200, editable=False, help_text="The actor, as kind:id.")

    class Meta:
        db_table = "automation_webhook_endpoint"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class WebhookMessage(models.Model):
    """An event for an endpoint. `due_at` is when it is tried (again), and the end of the claim of who is at it now."""

    id = models.UUIDField(primary_key=True, help_text="UUID version 7; receivers know a repetition by it.")
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="messages")
    event = models.UUIDField()
    type = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=[(state.value, state.value) for state in MessageState])
    attempts = models.SmallIntegerField(default=0)
    claim = models.IntegerField(default=0, help_text="Counts claims: a fence against late results.")
    due_at = models.DateTimeField()
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    log = models.JSONField(default=list, help_text="The latest attempts: at, status, seconds, error.")

    class Meta:
        db_table = "automation_webhook_message"
        ordering = ("-id",)
        constraints = [models.UniqueConstraint(fields=("endpoint", "event"), name="message_once")]
        indexes = [
            models.Index(fields=("due_at",), condition=Q(state="pending"), name="message_due"),
            models.Index(fields=("event",), name="message_event"),
        ]

    def __str__(self) -> str:
        return f"{self.type} to {self.endpoint_id}"
