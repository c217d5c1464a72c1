"""The table of releases: which versions the starts of a workflow get. A row never changes; a new one replaces it."""

from django.db import models
from django.db.models import F, Q

from workflows.core.release_causes import ReleaseCause


class Release(models.Model):
    """The version that starts get, and the canary that takes a share of them, if one is under way."""

    id = models.BigAutoField(primary_key=True)
    workflow = models.ForeignKey("workflows.Workflow", on_delete=models.PROTECT, related_name="releases")
    version = models.ForeignKey(
        "workflows.WorkflowVersion", on_delete=models.PROTECT, related_name="+", help_text="What starts get."
    )
    canary = models.ForeignKey(
        "workflows.WorkflowVersion", on_delete=models.PROTECT, related_name="+", null=True, help_text="On trial."
    )
    canary_percent = models.FloatField(default=0.0, help_text="The share of starts that the canary gets.")
    canary_since = models.DateTimeField(null=True, help_text="When its trial began; a changed share keeps it.")
    failed_percent = models.FloatField(null=True, help_text="So many failures roll the canary back by themselves.")
    after_runs = models.PositiveIntegerField(null=True, help_text="When so many of its runs have ended.")
    cause = models.CharField(max_length=20, choices=[(cause.value, cause.value) for cause in ReleaseCause])
    reason = models.CharField(max_length=1000, blank=True, default="")
    began_at = models.DateTimeField()
    began_by = models.CharField(max_length=200, help_text="The actor, as kind:id.")

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(canary__isnull=True, canary_since__isnull=True)
                | (Q(canary__isnull=False, canary_since__isnull=False) & ~Q(canary=F("version"))),
                name="release_canary_is_another",
            ),
            models.CheckConstraint(
                condition=Q(canary_percent__gte=0, canary_percent__lte=100), name="release_percent_in_range"
            ),
            models.CheckConstraint(
                condition=Q(failed_percent__isnull=True, after_runs__isnull=True)
                | Q(failed_percent__isnull=False, after_runs__isnull=False),
                name="release_rule_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.cause}"
