"""The tables of who may start work; rows and their constraints only."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from audit.events import Actor, ActorKind
from automation.alert_models import Alert, AlertRule
from automation.inbound_models import WebhookDelivery, WebhookRefusal, WebhookSource
from automation.outbound_models import WebhookEndpoint, WebhookMessage
from automation.schedule_models import Backfill, DayCalendar, Fire, Schedule
from automation.sink_models import SinkCursor
from automation.trigger_models import EventTrigger, TriggerFiring
from workflows.access import Scope

__all__ = [
    "Alert",
    "AlertRule",
    "ApiToken",
    "Backfill",
    "DayCalendar",
    "EventTrigger",
    "Fire",
    "Schedule",
    "SinkCursor",
    "TriggerFiring",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookMessage",
    "WebhookRefusal",
    "WebhookSource",
]

_NOTED_EVERY = timedelta(minutes=1)


class ApiToken(models.Model):
    """A key to the API. The secret itself is nowhere: only its SHA-256 is stored."""

    id = models.BigAutoField(primary_key=True)
    name = models.SlugField(max_length=60, help_text="What uses it, for example `shop` or `ci-deploy`.")
    prefix = models.CharField(max_length=12, editable=False, help_text="The public beginning of the token.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=30, choices=[(scope.value, scope.value) for scope in Scope]))
    created_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=200, editable=False, help_text="The actor, as kind:id.")
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True, editable=False)

    plain = ""
    """The token itself, on the one object that shows it after its creation; never stored."""

    class Meta:
        ordering = ("-id",)
        verbose_name = "API token"
        constraints = [
            models.UniqueConstraint(fields=("name",), condition=Q(revoked_at__isnull=True), name="token_name_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def actor(self) -> Actor:
        """This will give who is written into the audit trail when this token is used."""
        return Actor(kind=ActorKind.TOKEN, id=f"{self.name}:{self.pk}")

    @property
    def granted(self) -> Collection[str]:
        """This will give what the token may be used for."""
        return frozenset(self.scopes)

    def is_in_force(self, *, now: datetime) -> bool:
        """This will tell whether it may be used."""
        return self.revoked_at is None and now < self.expires_at

    def state(self, *, now: datetime) -> str:
        """This will give its state in one word."""
        if self.revoked_at is not None:
            return "revoked"
        return "in force" if now < self.expires_at else "expired"

    def must_note_use(self, *, now: datetime) -> bool:
        """This will tell whether its latest noted use is a minute old: not every request writes."""
        return self.last_used_at is None or now - self.last_used_at >= _NOTED_EVERY
