"""The tables of alerts: the rules, and one row for each thing that is or was wrong. Rows only: no decisions."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from automation.alerting.rule import Rule, RuleKind


class AlertRule(models.Model):
    """What to look at and whom to tell; written by operations only."""

    id = models.BigAutoField(primary_key=True)
    name = models.SlugField(max_length=60, unique=True)
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in RuleKind])
    object = models.CharField(
        max_length=230, blank=True, default="", help_text="The workflow, limit, lane or schedule; empty: all of them."
    )
    count = models.PositiveIntegerField(default=1, help_text="So many failures or waiting steps at least.")
    over_s = models.FloatField(default=0.0, help_text="Waiting for longer than so many seconds.")
    tell = ArrayField(models.CharField(max_length=560), help_text="A channel and whom, a line each.")
    repeat_s = models.FloatField(default=0.0, help_text="Told again after so many seconds while it lasts; 0: once.")
    tells_end = models.BooleanField(default=True, help_text="Says also when it is over.")
    is_enabled = models.BooleanField(default=True)
    is_declared = models.BooleanField(default=False, editable=False, help_text="Written in the file ALERTS_FILE.")
    updated_at = models.DateTimeField(editable=False)
    updated_by = models.CharField(max_length=200, editable=False, help_text="The actor, as kind:id.")

    class Meta:
        db_table = "automation_alert_rule"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def rule(self) -> Rule:
        """This will give it as a value."""
        return Rule(
            name=self.name,
            kind=RuleKind(self.kind),
            object=self.object,
            count=self.count,
            over_s=self.over_s,
            tell=list(self.tell),
            repeat_s=self.repeat_s,
            tells_end=self.tells_end,
            is_enabled=self.is_enabled,
        )


class Alert(models.Model):
    """Something a rule has found. It is under way until `ended_at`; then the same thing would be another alert."""

    id = models.BigAutoField(primary_key=True)
    rule = models.CharField(max_length=60, help_text="The name of its rule.")
    kind = models.CharField(max_length=20)
    object = models.CharField(max_length=300)
    words = models.CharField(max_length=1000, help_text="What was wrong when it was seen last.")
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    told_at = models.DateTimeField()
    told = models.PositiveIntegerField(default=1, help_text="How often somebody was told.")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "automation_alert"
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=("rule", "object"), condition=Q(ended_at=None), name="alert_once"),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.object}"
