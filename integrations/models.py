"""The named outside systems; no secret is ever in these rows, only where to find it."""

from django.db import models


class Connection(models.Model):
    """How a named outside system is reached. Written by `integrations.operations.save_connection` only."""

    id = models.BigAutoField(primary_key=True)
    name = models.SlugField(max_length=100, unique=True, help_text="What a step's `connection` says.")
    base_url = models.CharField(
        "base URL",
        max_length=500,
        help_text="A step's `path` is added to it, such as https://api.example.com/v2",
    )
    allow_private = models.BooleanField(
        "allow private addresses", default=False, help_text="Addresses of this host and of private networks."
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
