"""The one table of retention: what must not go, however old it is. Rows only: no decisions."""

from django.db import models
from django.db.models import Q

from retention.core.scope import Scope


class Hold(models.Model):
    """Keeps history that would go: of a run, of a workflow, or of all that shares a correlation id."""

    id = models.BigAutoField(primary_key=True)
    scope = models.CharField(max_length=20, choices=[(scope.value, scope.value) for scope in Scope])
    value = models.CharField(max_length=200, help_text="The run's id, the workflow's name or the correlation id.")
    reason = models.CharField(max_length=1000, help_text="Why it is kept: a case, an order, an audit.")
    until = models.DateTimeField(null=True, help_text="When it ends by itself; empty: when it is released.")
    placed_by = models.CharField(max_length=200)
    placed_at = models.DateTimeField()
    released_by = models.CharField(max_length=200, blank=True, default="")
    released_at = models.DateTimeField(null=True)
    release_reason = models.CharField(max_length=1000, blank=True, default="")

    class Meta:
        db_table = "retention_hold"
        ordering = ("-id",)
        indexes = [models.Index(fields=("scope", "value"), condition=Q(released_at__isnull=True), name="hold_active")]

    def __str__(self) -> str:
        return f"hold {self.id}: {self.scope} {self.value}"
