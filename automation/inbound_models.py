"""The tables of webhooks that come in: who may send, every request as it came, counts of what was refused. Rows only.

No secret is in them: a source has references, and headers that prove who sent are masked before they are stored.
"""

from enum import StrEnum

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class DeliveryState(StrEnum):
    """What has become of a request."""

    VERIFIED = "verified"
    """Believed and durable; nobody has read it yet."""
    MATCHED = "matched"
    """Its event has a trigger or a step that waited for it."""
    UNMATCHED = "unmatched"
    """Its event is kept; nothing has asked for it yet."""
    DUPLICATE = "duplicate"
    """Its event came before: nothing was changed."""
    REFUSED = "refused"
    """It is not what its source sends; `problem` says where."""


class WebhookSource(models.Model):
    """Who may send, to /hooks/NAME, and how it is proven. Written by `automation.inbound` only."""

    id = models.BigAutoField(primary_key=True)
    name = models.SlugField(max_length=60, unique=True, help_text="The address is /hooks/NAME; triggers name it too.")
    preset = models.CharField(max_length=20, help_text="How a request proves who sent it.")
    options = models.JSONField(default=dict, blank=True, help_text="What the preset wants to know.")
    secrets = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Where its secrets are, the newest first, such as env:SHOP_WEBHOOK_SECRET. Any of them may fit.",
    )
    rate_per_s = models.FloatField("rate (requests/s)", default=100.0, help_text="In each intake process; 0: no limit.")
    burst = models.PositiveIntegerField("burst (requests)", default=200, help_text="At once, after a rest.")
    max_bytes = models.PositiveIntegerField("largest body (bytes)", default=1_000_000)
    is_enabled = models.BooleanField("enabled", default=True, help_text="Otherwise its address is not there.")
    updated_at = models.DateTimeField(editable=False)
    updated_by = models.CharField(max_length=200, editable=False, help_text="The actor, as kind:id.")

    class Meta:
        db_table = "automation_webhook_source"
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(condition=Q(rate_per_s__gte=0, burst__gte=1, max_bytes__gte=1), name="source_limits")
        ]

    def __str__(self) -> str:
        return self.name


class WebhookDelivery(models.Model):
    """A request that was acknowledged, as it came. Divided by month, by its id."""

    id = models.UUIDField(primary_key=True, help_text="UUID version 7, of when it came.")
    source = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=[(state.value, state.value) for state in DeliveryState])
    received_at = models.DateTimeField()
    signed_at = models.DateTimeField(null=True, help_text="When its sender signed it, as it says.")
    peer = models.CharField(max_length=100, blank=True, help_text="The address that connected.")
    headers = models.JSONField(help_text="Names in lower case; what proves who sent is masked.")
    body = models.BinaryField()
    key = models.SmallIntegerField(default=0, help_text="Which secret fitted; 0: the newest.")
    delivery_id = models.CharField(max_length=200, blank=True, default="", help_text="The id its sender gave it.")
    type = models.CharField(max_length=200, blank=True, default="", help_text="The type of its event.")
    event = models.UUIDField(null=True, help_text="The event it became, or that came before it.")
    problem = models.CharField(max_length=500, blank=True, default="")
    processed_at = models.DateTimeField(null=True)
    replay_of = models.UUIDField(null=True, help_text="The request that somebody had read again.")

    class Meta:
        db_table = "automation_webhook_delivery"
        ordering = ("-id",)
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(fields=("id",), condition=Q(state="verified"), name="delivery_unread"),
            models.Index(fields=("source", "-id"), name="delivery_source"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.type} {self.delivery_id}".strip()


class WebhookRefusal(models.Model):
    """How many requests to a source were not taken in an hour, and why. They are counted, and nothing else."""

    id = models.BigAutoField(primary_key=True)
    source = models.CharField(max_length=100)
    reason = models.CharField(max_length=30)
    hour = models.DateTimeField()
    count = models.BigIntegerField()
    latest_at = models.DateTimeField()

    class Meta:
        db_table = "automation_webhook_refusal"
        ordering = ("-hour", "source", "reason")
        constraints = [models.UniqueConstraint(fields=("source", "reason", "hour"), name="refusal_once")]

    def __str__(self) -> str:
        return f"{self.source} {self.reason} {self.hour:%Y-%m-%d %H}h: {self.count}"
