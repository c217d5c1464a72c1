"""The tables of reconciliation: rows and their constraints only.

Job 1-n JobVersion (immutable) 1-n Comparison       what was compared, and what it counted
Job 1-n Variance 1-n Repair                         what differs, and what was done about it
Job 1-n RuleInForce                                 rules whose repairs are carried out
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from reconciliation.core.compare import VarianceKind
from reconciliation.core.counts import Counts
from reconciliation.core.lifecycle import VarianceState
from reconciliation.states import ComparisonState, RepairState


class Job(models.Model):
    """Two sources that must agree; what it says is in its versions."""

    id = models.BigAutoField(primary_key=True)
    name = models.SlugField(max_length=60, unique=True)
    description = models.TextField(blank=True, default="")
    is_enabled = models.BooleanField(default=True, help_text="No comparison begins while this is off.")
    latest_number = models.PositiveIntegerField(default=0, help_text="Number of the newest version.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class JobVersion(models.Model):
    """One immutable document of a job."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    source = models.TextField(help_text="The document as it was written.")
    content_hash = models.CharField(max_length=64)
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=200)

    class Meta:
        db_table = "reconciliation_job_version"
        ordering = ("job", "-number")
        constraints = [models.UniqueConstraint(fields=("job", "number"), name="job_version_once")]

    def __str__(self) -> str:
        return f"{self.job.name} v{self.number}"


class RuleInForce(models.Model):
    """Somebody has seen what a rule would do, and let it. Another `digest` is another rule."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="rules_in_force")
    rule = models.CharField(max_length=30)
    digest = models.CharField(max_length=64)
    since = models.DateTimeField()
    by = models.CharField(max_length=200, help_text="The actor, as kind:id.")

    class Meta:
        db_table = "reconciliation_rule_in_force"
        ordering = ("job", "rule")
        constraints = [models.UniqueConstraint(fields=("job", "rule"), name="rule_in_force_once")]

    def __str__(self) -> str:
        return f"{self.job.name}: {self.rule}"


class Comparison(models.Model):
    """One comparison of both sides. Its counts add up, and its findings are applied altogether or not at all."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="comparisons")
    version = models.ForeignKey(JobVersion, on_delete=models.PROTECT)
    state = models.CharField(max_length=10, choices=[(one.value, one.value) for one in ComparisonState])
    is_dry_run = models.BooleanField(default=False, help_text="It shows what it finds, and changes nothing.")
    run_id = models.UUIDField(null=True, help_text="The run of the engine that it is a step of.")
    started_by = models.CharField(max_length=200, help_text="The actor, as kind:id.")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    window_from = models.DateTimeField(null=True)
    window_to = models.DateTimeField(null=True)
    epoch = models.PositiveIntegerField(default=1, help_text="Counts who has taken it over.")
    lease_until = models.DateTimeField()
    left_rows = models.BigIntegerField(default=0)
    right_rows = models.BigIntegerField(default=0)
    left_repeats = models.BigIntegerField(default=0, help_text="Rows whose key was there before.")
    right_repeats = models.BigIntegerField(default=0)
    equal = models.BigIntegerField(default=0)
    differing = models.BigIntegerField(default=0)
    only_left = models.BigIntegerField(default=0)
    only_right = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0, help_text="Of the equal ones: those whose sums said so.")
    outside = models.BigIntegerField(default=0, help_text="Variances of the margin around the window: not judged.")
    found = models.BigIntegerField(default=0, help_text="Variances that were judged.")
    opened = models.BigIntegerField(default=0, help_text="Of them: not known before.")
    pending = models.BigIntegerField(default=0, help_text="Of them: younger than the grace.")
    reopened = models.BigIntegerField(default=0, help_text="Of them: repaired or accepted before, and there again.")
    confirmed = models.BigIntegerField(default=0, help_text="Repaired, and not found again.")
    vanished = models.BigIntegerField(default=0, help_text="Not found again, though nothing here repaired them.")
    standing = models.BigIntegerField(default=0, help_text="Open or disputed when it ended.")
    by_kind = models.JSONField(default=dict, help_text="Variances that were judged, by kind.")
    samples = models.JSONField(default=list, help_text="Of a dry run: some of what it found.")
    plan = models.JSONField(default=dict, help_text="What rules made of the variances.")
    error = models.CharField(max_length=2000, blank=True, default="")

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("job",), condition=Q(state=ComparisonState.RUNNING.value), name="comparison_one_at_a_time"
            ),
            models.UniqueConstraint(fields=("run_id",), condition=Q(run_id__isnull=False), name="comparison_run_once"),
            models.CheckConstraint(
                condition=Q(left_rows=F("equal") + F("differing") + F("only_left") + F("left_repeats"))
                & Q(right_rows=F("equal") + F("differing") + F("only_right") + F("right_repeats")),
                name="comparison_adds_up",
            ),
        ]
        indexes = [models.Index(fields=("job", "-id"), name="comparison_of_job")]

    def __str__(self) -> str:
        return f"comparison {self.pk}"

    def counts(self) -> Counts:
        """This will give what was counted of both sides."""
        return Counts(**{name: getattr(self, name) for name in Counts.__slots__})


class Variance(models.Model):
    """Something on which the two sides do not agree. One row for as long as it is there."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="variances")
    key = models.CharField(max_length=500, db_collation="C", help_text="Parts of a key are joined by U+001F.")
    kind = models.CharField(max_length=20, choices=[(one.value, one.value.replace("_", " ")) for one in VarianceKind])
    fields = ArrayField(models.CharField(max_length=100), default=list, help_text="What differs.")
    left = models.JSONField(null=True)
    right = models.JSONField(null=True)
    occurrences = models.PositiveIntegerField(default=1)
    amount = models.DecimalField(max_digits=30, decimal_places=6, null=True, help_text="What it is about, in money.")
    at = models.DateTimeField(null=True, help_text="When the record happened.")
    trace = models.CharField(max_length=200, blank=True, default="", help_text="Leads to the call or run behind it.")
    digest = models.CharField(max_length=64, help_text="Of both sides and of what differs.")
    state = models.CharField(max_length=10, choices=[(one.value, one.value) for one in VarianceState])
    owner = models.CharField(max_length=150, blank=True, default="")
    note = models.CharField(max_length=1000, blank=True, default="")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    seen = models.PositiveIntegerField(default=1, help_text="By how many comparisons.")
    reopened = models.PositiveIntegerField(default=0)
    first_comparison = models.ForeignKey(Comparison, on_delete=models.PROTECT, related_name="first_found")
    last_comparison = models.ForeignKey(Comparison, on_delete=models.PROTECT, related_name="last_found")
    repaired_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_how = models.CharField(max_length=10, blank=True, default="", help_text="confirmed or vanished.")

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("job", "key", "kind"), condition=~Q(state=VarianceState.CLOSED.value), name="variance_once"
            ),
        ]
        indexes = [
            models.Index(fields=("job", "state", "-id"), name="variance_of_job"),
            models.Index(fields=("key",), name="variance_key"),
            models.Index(fields=("job",), condition=Q(state=VarianceState.OPEN.value), name="variance_open"),
            models.Index(fields=("last_comparison",), name="variance_comparison"),
        ]

    def __str__(self) -> str:
        return f"{self.shown_key}: {self.kind.replace('_', ' ')}"

    @property
    def shown_key(self) -> str:
        """This will give the key as people read it."""
        return self.key.replace("\x1f", " · ")


class Repair(models.Model):
    """What a rule wants done about a variance, once for each time it was opened. `round` counts those."""

    id = models.BigAutoField(primary_key=True)
    variance = models.ForeignKey(Variance, on_delete=models.PROTECT, related_name="repairs")
    comparison = models.ForeignKey(Comparison, on_delete=models.PROTECT, related_name="repairs")
    rule = models.CharField(max_length=30)
    digest = models.CharField(max_length=64, help_text="Of the rule.")
    round = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=10, choices=[(one.value, one.value) for one in RepairState])
    why = models.CharField(max_length=200, blank=True, default="", help_text="Why it was held.")
    needs_approval = models.BooleanField(default=False)
    run_id = models.UUIDField(null=True, help_text="The run of the engine that carries it out.")
    planned_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=("variance", "digest", "round"), name="repair_once"),
        ]
        indexes = [models.Index(fields=("comparison", "state"), name="repair_of_comparison")]

    def __str__(self) -> str:
        return f"{self.rule} for {self.variance_id}"
