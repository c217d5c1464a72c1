"""Limits and their slots: how many steps may do something at once. Rows only: no decisions."""

from django.db import models
from django.db.models import Q


class Limit(models.Model):
    """How many steps may hold something at the same time; written by `workflows.operations.limits` only."""

    id = models.BigAutoField(primary_key=True)
    name = models.SlugField(max_length=100, unique=True, help_text="What a step's `limits` say.")
    capacity = models.PositiveIntegerField(help_text="How many slots it has; 0 lets nothing begin.")
    description = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} ({self.capacity})"


class Slot(models.Model):
    """One slot of a limit. Its holder is an activation, whose owner and lease are the slot's owner and lease.

    The database frees it in the statement that ends the activation's lease, whatever that is (a trigger).
    """

    id = models.BigAutoField(primary_key=True)
    limit = models.ForeignKey(Limit, on_delete=models.CASCADE, related_name="slots")
    number = models.PositiveIntegerField()
    holder = models.BigIntegerField(null=True, help_text="The activation that has it; empty: it is free.")
    is_retiring = models.BooleanField(default=False, help_text="Goes when it becomes free: the limit was lowered.")
    taken_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("limit", "number")
        constraints = [
            models.UniqueConstraint(fields=("limit", "number"), name="slot_once"),
            models.UniqueConstraint(
                fields=("holder", "limit"), condition=Q(holder__isnull=False), name="slot_held_once"
            ),
            models.CheckConstraint(condition=Q(is_retiring=False) | Q(holder__isnull=False), name="slot_retires_held"),
        ]
        indexes = [
            models.Index(fields=("limit", "number"), condition=Q(holder__isnull=True), name="slot_free"),
        ]

    def __str__(self) -> str:
        return f"{self.limit_id}/{self.number}"
