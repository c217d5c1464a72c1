"""The tables of pauses: which are in force, and how often that has changed. Rows only: no decisions."""

from django.db import models

from workflows.core.pausing import PauseScope, key_of


class Pause(models.Model):
    """Something in which no further step begins, until somebody resumes it; written by operations only."""

    id = models.BigAutoField(primary_key=True)
    scope = models.CharField(max_length=10, choices=[(scope.value, scope.value) for scope in PauseScope])
    name = models.CharField(max_length=100, blank=True, default="", help_text="Which one; empty for the platform.")
    reason = models.CharField(max_length=500)
    paused_by = models.CharField(max_length=200, help_text="The actor, as kind:id.")
    paused_at = models.DateTimeField()
    starts_only = models.BooleanField(default=False, help_text="Runs that had begun before go on.")
    holds_deadlines = models.BooleanField(default=False, help_text="Deadlines are moved by as long as it lasts.")

    class Meta:
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=("scope", "name"), name="pause_once")]

    def __str__(self) -> str:
        return key_of(PauseScope(self.scope), name=self.name)


class PauseEpoch(models.Model):
    """One row that counts changes of the pauses: whoever has seen its number knows them all."""

    id = models.SmallIntegerField(primary_key=True)
    number = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="pause_epoch_is_one_row")]

    def __str__(self) -> str:
        return str(self.number)
