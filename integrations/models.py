"""The named outside systems; no secret is ever in these rows, only where to find it."""

from django.db import models

from integrations.call_models import Call as Call
from integrations.call_models import CallFile as CallFile
from integrations.notification_models import Notification as Notification
from integrations.secret_model import StoredSecret as StoredSecret

_NO_OBJECT = models.Value({}, models.JSONField())
_NO_LIST = models.Value([], models.JSONField())


class Connection(models.Model):
    """How a named outside system is reached. Written by `integrations.operations.save_connection` only."""

    id = models.BigAutoField(primary_key=True)
    name = models.SlugField(max_length=100, unique=True, help_text="What a step's `connection` says.")
    kind = models.CharField(max_length=50, default="http", db_default="http", help_text="Which adapters use it.")
    base_url = models.CharField(
        "base URL",
        max_length=500,
        default="",
        blank=True,
        help_text="A step's `path` is added to it, such as https://api.example.com/v2",
    )
    options = models.JSONField(
        default=dict, db_default=_NO_OBJECT, blank=True, help_text="What its kind wants to know besides. No secrets."
    )
    secrets = models.JSONField(
        default=dict,
        db_default=_NO_OBJECT,
        blank=True,
        help_text="Where its secrets are, by name, such as {'password': 'env:SHOP_PASSWORD'}",
    )
    environment = models.CharField(
        max_length=10, default="live", db_default="live", help_text="live: it counts. test: it may be broken."
    )
    owner = models.CharField(
        max_length=200, default="", db_default="", blank=True, help_text="Whom to ask: a team or a person."
    )
    allow_private = models.BooleanField(
        "allow private addresses", default=False, help_text="Addresses of this host and of private networks."
    )
    allowed_hosts = models.JSONField(
        default=list,
        db_default=_NO_LIST,
        blank=True,
        help_text="All that may be reached, such as ['api.example.com', '*.example.com', '10.1.0.0/16']; empty: any.",
    )
    auth_header = models.CharField(
        max_length=100, default="Authorization", help_text="The header that carries the secret."
    )
    auth_scheme = models.CharField(
        max_length=50, default="Bearer", blank=True, help_text="The word before the secret, if there is one."
    )
    secret_reference = models.CharField(
        max_length=200, default="", blank=True, help_text="Where the secret is, such as env:PAYMENTS_TOKEN"
    )
    headers = models.JSONField(
        default=dict, blank=True, help_text="Sent with every request, such as {'X-Tenant': '7'}. No secrets."
    )
    connect_timeout_s = models.FloatField("connect timeout (s)", default=5.0)
    read_timeout_s = models.FloatField("read timeout (s)", default=30.0)
    max_response_bytes = models.PositiveIntegerField("largest response (bytes)", default=1_000_000)
    rate_limit = models.PositiveIntegerField(
        "rate limit (calls)", default=0, help_text="Calls in each period, for each `rate_key` of a step; 0: no limit."
    )
    rate_period_s = models.FloatField("rate period (s)", default=1.0)
    rate_burst = models.PositiveIntegerField("rate burst (calls)", default=1, help_text="At once, after a rest.")
    breaker_error_rate = models.FloatField(
        "breaker: error rate", default=0.0, help_text="Share of failed calls (0 to 1) that opens it; 0: none does."
    )
    breaker_slow_rate = models.FloatField(
        "breaker: slow rate", default=0.0, help_text="Share of slow calls (0 to 1) that opens it; 0: none does."
    )
    breaker_slow_s = models.FloatField("breaker: slow is over (s)", default=10.0)
    breaker_window_s = models.FloatField("breaker: window (s)", default=30.0, help_text="Only calls in it count.")
    breaker_min_calls = models.PositiveIntegerField(
        "breaker: least calls", default=20, help_text="With fewer in the window it stays closed."
    )
    breaker_open_s = models.FloatField("breaker: open for (s)", default=30.0, help_text="Then it lets probes pass.")
    breaker_probes = models.PositiveIntegerField("breaker: probes", default=3, help_text="All must succeed.")
    probed_at = models.DateTimeField("tested at", null=True, editable=False)
    is_well = models.BooleanField("is well", null=True, editable=False, help_text="What the latest test found.")
    probe_detail = models.CharField("found", max_length=500, default="", db_default="", editable=False)
    probed_by = models.CharField("tested by", max_length=200, default="", db_default="", editable=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "integrations_connection"
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(connect_timeout_s__gt=0, read_timeout_s__gt=0, max_response_bytes__gt=0),
                name="connection_limits_are_positive",
            ),
        )

    def __str__(self) -> str:
        return self.name


class RateBucket(models.Model):
    """A rate limit's memory while Redis is away: instants in microseconds, and the places of who waits."""

    key = models.CharField(primary_key=True, max_length=32, help_text="A digest of connection and rate key.")
    due_at = models.BigIntegerField(default=0)
    free_at = models.BigIntegerField(default=0)
    places = models.JSONField(default=dict)

    class Meta:
        db_table = "integrations_ratebucket"

    def __str__(self) -> str:
        return self.key
