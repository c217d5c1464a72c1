"""The table of heartbeats: signs of life of long steps, with their progress. Rows and constraints only."""

from django.db import models
from django.db.models import Q


class Heartbeat(models.Model):
    """The latest sign of life of a `python` step, or of one of its items; written by `workflows.heartbeats` only."""

    pk = models.CompositePrimaryKey("run_id", "step", "index")
    run_id = models.UUIDField()
    step = models.CharField(max_length=100)
    index = models.IntegerField(help_text="The item of a for_each; -1: the step has none.")
    activation = models.BigIntegerField(help_text="The lease under which it was given, with its epoch.")
    epoch = models.IntegerField()
    attempt = models.SmallIntegerField()
    progress = models.JSONField(null=True, help_text="What the step said it has done; the next attempt reads it.")
    beaten_at = models.DateTimeField()
    late_at = models.DateTimeField(null=True, help_text="Its attempt counts as lost without another one by then.")

    class Meta:
        indexes = [models.Index(fields=("late_at",), condition=Q(late_at__isnull=False), name="heartbeat_late")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.step} {self.beaten_at:%H:%M:%S}"
