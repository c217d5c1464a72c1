"""The tables of flow control: gates, the slots at them, and starts that joined a run. Rows only: no decisions.

Gate 1-n RunSlot n-1 Run        who holds a slot, and who waits for one, in the order of `id`
Gate 0-1 Run                    the run that gathers further starts (`batch`, `debounce`)
Run  1-n JoinedStart            the starts that were answered with a run that another one began
"""

from django.db import models
from django.db.models import Q

from workflows.core.flow_control import GateKind


class Gate(models.Model):
    """One rule of one workflow for one key. Its row is what starts of that key lock, and no others."""

    id = models.UUIDField(
        primary_key=True, help_text="Digest of workflow, rule and key; gates are locked in this order."
    )
    workflow_name = models.CharField(max_length=100)
    kind = models.SmallIntegerField(choices=[(kind.value, kind.word) for kind in GateKind])
    key = models.CharField(max_length=300, blank=True, default="")
    version = models.IntegerField(default=0, help_text="Newest version that has come by: its limit counts.")
    slots = models.IntegerField(default=1, help_text="How many runs may hold a slot.")
    tat = models.DateTimeField(null=True, help_text="Theoretical arrival time of the cell rate algorithm.")
    refused = models.BigIntegerField(default=0, help_text="Starts that were refused.")
    refusing_since = models.DateTimeField(null=True, help_text="Set while the latest start was refused.")
    run_id = models.UUIDField(null=True, help_text="The run that further starts join.")
    joined = models.IntegerField(default=0, help_text="Starts in that run.")
    opened_at = models.DateTimeField(null=True, help_text="When the first of them came.")
    touched_at = models.DateTimeField()

    class Meta:
        ordering = ("workflow_name", "kind", "key")
        constraints = [models.CheckConstraint(condition=Q(slots__gte=1), name="gate_has_slots")]

    def __str__(self) -> str:
        return f"{self.workflow_name} {GateKind(self.kind).word} {self.key}"


class RunSlot(models.Model):
    """A run's place at a gate: a numbered slot that it holds until it ends, or without a number a place in line."""

    id = models.BigAutoField(primary_key=True)
    gate = models.ForeignKey(Gate, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    run_id = models.UUIDField()
    number = models.IntegerField(null=True, help_text="From 1; empty: it waits.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(
                fields=("gate", "number"), condition=Q(number__isnull=False), name="run_slot_held_once"
            ),
            models.UniqueConstraint(fields=("run_id", "gate"), name="slot_once_a_run"),
            models.CheckConstraint(condition=Q(number__isnull=True) | Q(number__gte=1), name="slot_counts_from_1"),
        ]
        indexes = [models.Index(fields=("gate", "id"), condition=Q(number__isnull=True), name="slot_waiting")]

    def __str__(self) -> str:
        return f"{self.gate_id} {'waits' if self.number is None else self.number} {self.run_id}"


class JoinedStart(models.Model):
    """A start that was answered with a run that another start began; in a batch, every one with its input."""

    id = models.BigAutoField(primary_key=True)
    run_id = models.UUIDField()
    how = models.CharField(max_length=20, help_text="`batch`, `debounce` or `singleton`.")
    position = models.IntegerField(default=0, help_text="Place in the batch, from 0.")
    input = models.JSONField(null=True, help_text="Until the batch begins.")
    start_key = models.CharField(max_length=300, null=True)
    start_digest = models.CharField(max_length=64)
    started_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(
                fields=("start_key",), condition=Q(start_key__isnull=False), name="joined_start_once"
            ),
        ]
        indexes = [models.Index(fields=("run_id", "position"), name="joined_start_of_run")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.how} {self.position}"
