"""The table of runs that steps of other runs have started. Rows only: no decisions.

Run 1-n ChildRun n-1 Run        which step of which run has started it, and what becomes of it when that one ends
"""

from django.db import models
from django.db.models import Q

from workflows.core.subworkflow import Mode, ParentEnd


class ChildRun(models.Model):
    """A run, and the step it was started for. A step starts one in each of its rounds, however often it looks.

    `is_own`: the step has started it; else it joined one that was there (`singleton`, `batch`, `debounce`), which
    never ends because the parent does.
    """

    id = models.BigAutoField(primary_key=True)
    parent_id = models.UUIDField()
    step = models.CharField(max_length=100)
    index = models.IntegerField(null=True, help_text="The item of a for_each.")
    round = models.SmallIntegerField(help_text="The round of the parent that waits for it.")
    child_id = models.UUIDField()
    workflow_name = models.CharField(max_length=100)
    request_sha256 = models.CharField(max_length=64, help_text="Of the name and the input the step has asked for.")
    mode = models.CharField(max_length=10, choices=[(mode.value, mode.value) for mode in Mode])
    on_parent_end = models.CharField(max_length=10, choices=[(end.value, end.value) for end in ParentEnd])
    is_own = models.BooleanField()
    depth = models.SmallIntegerField(help_text="1: its parent was started by no step.")
    order = models.CharField(
        max_length=10, blank=True, default="", db_default="", help_text="`wanted`: cancel it; `done`: it was asked to."
    )
    is_owed = models.BooleanField(default=False, db_default=False, help_text="It has succeeded after its step failed.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(
                fields=("parent_id", "step", "index", "round"), name="child_once", nulls_distinct=False
            ),
        ]
        indexes = [
            models.Index(fields=("child_id",), name="child_of"),
            models.Index(fields=("id",), condition=Q(order="wanted"), name="child_order"),
            models.Index(fields=("id",), condition=Q(is_owed=True), name="child_owed"),
        ]

    def __str__(self) -> str:
        return f"{self.parent_id}/{self.step} {self.child_id}"
