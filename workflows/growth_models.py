"""The table of plans that runs have grown. Rows only: no decisions.

Run 1-n GrownPlan n-1 WorkflowVersion      the version a run was started on, and what it has become in this run
"""

from django.db import models


class GrownPlan(models.Model):
    """What a run consists of since one of its steps has returned further ones. It never changes; the latest counts.

    It is a version of this run alone: nothing is started on it, and it is not among the versions of the workflow.
    """

    id = models.BigAutoField(primary_key=True)
    run_id = models.UUIDField()
    version_id = models.BigIntegerField(help_text="The version the run was started on.")
    number = models.PositiveIntegerField(help_text="Counts from 1 in its run.")
    step = models.CharField(max_length=100, help_text="The step that has returned the new ones.")
    steps = models.JSONField(help_text="The ids of the new steps.")
    grown = models.JSONField(help_text="The ids of all steps that were returned, by the step that returned them.")
    document = models.JSONField(help_text="The definition with them.")
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the canonical document.")
    plan = models.JSONField(help_text="The segments it was cut into.")
    plan_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("run_id", "number")
        constraints = [
            models.UniqueConstraint(fields=("run_id", "number"), name="grown_plan_once"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} plan {self.number}"
