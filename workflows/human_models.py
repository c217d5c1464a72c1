"""The tables of what people are asked: requests, answers, delegations. Rows only: no decisions, no I/O."""

from uuid import uuid4

from django.db import models
from django.db.models import Q

from workflows.core.voting import Choice, RequestKind, RequestState


class HumanRequest(models.Model):
    """What a step asks of people. What they see never changes after it was asked; `digest` is the proof.

    `terms` is the evaluated `with` without that. `users` and `groups` are who is asked by now, escalations included.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=10, choices=[(kind.value, kind.value) for kind in RequestKind])
    run_id = models.UUIDField()
    workflow_name = models.CharField(max_length=100)
    step = models.CharField(max_length=100)
    index = models.IntegerField(null=True)
    round = models.SmallIntegerField(default=0)
    correlation_id = models.CharField(max_length=200)
    title = models.CharField(max_length=300)
    description = models.TextField(blank=True, default="")
    show = models.JSONField(null=True)
    form = models.JSONField(null=True, help_text="JSON Schema of what an answer brings.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of title, description, show and form.")
    terms = models.JSONField()
    users = models.JSONField(default=list)
    groups = models.JSONField(default=list)
    starters = models.JSONField(
        default=list, help_text="Ids of the people who started the run, or what it comes from, if they may not answer."
    )
    state = models.CharField(
        max_length=10, choices=[(state.value, state.value) for state in RequestState], default=RequestState.OPEN.value
    )
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    escalated = models.SmallIntegerField(default=0, help_text="How many escalations have taken place.")
    due_at = models.DateTimeField(null=True, help_text="When a task should be done.")
    overdue_at = models.DateTimeField(null=True, help_text="When it was found that it is overdue.")
    claimed_by = models.CharField(max_length=50, blank=True, default="", help_text="The id of the user who has a task.")
    claimed_name = models.CharField(max_length=150, blank=True, default="", help_text="The name at that time.")
    claimed_at = models.DateTimeField(null=True)
    reminded = models.SmallIntegerField(default=0, help_text="How many reminders were due.")
    output = models.JSONField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=200, blank=True, default="", help_text="The actor, as kind:id.")

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=("run_id", "step", "index", "round"),
                condition=~Q(state="withdrawn"),
                nulls_distinct=False,
                name="human_request_once",
            ),
        ]
        indexes = [
            models.Index(fields=("run_id",), name="human_request_run"),
            models.Index(fields=("expires_at", "id"), condition=Q(state="open"), name="human_request_open"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}: {self.title}"


class HumanAnswer(models.Model):
    """What one person answered, once; `digest` is that of what this person saw."""

    id = models.BigAutoField(primary_key=True)
    request = models.ForeignKey(HumanRequest, on_delete=models.DO_NOTHING, db_constraint=False, related_name="answers")
    run_id = models.UUIDField()
    person = models.CharField(max_length=50, help_text="The id of the user.")
    name = models.CharField(max_length=150, help_text="The name of the user at that time.")
    choice = models.CharField(max_length=10, choices=[(choice.value, choice.value) for choice in Choice])
    comment = models.TextField(blank=True, default="")
    behalf = models.JSONField(default=list, help_text="Names of those whose rights came to this person.")
    form = models.JSONField(null=True)
    digest = models.CharField(max_length=64)
    actor = models.CharField(max_length=200, help_text="Who brought the answer, as kind:id.")
    via = models.CharField(max_length=10, help_text="By which way it came.")
    at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=("request", "person"), name="human_answer_once")]
        indexes = [models.Index(fields=("run_id",), name="human_answer_run")]

    def __str__(self) -> str:
        return f"{self.name}: {self.choice}"


class HumanDelegation(models.Model):
    """Somebody has handed all the rights he held in a request to somebody else; `digest` is that of what he saw."""

    id = models.BigAutoField(primary_key=True)
    request = models.ForeignKey(
        HumanRequest, on_delete=models.DO_NOTHING, db_constraint=False, related_name="delegations"
    )
    run_id = models.UUIDField()
    giver = models.CharField(max_length=50, help_text="The id of the user.")
    giver_name = models.CharField(max_length=150, help_text="The name of the user at that time.")
    taker = models.CharField(max_length=50, help_text="The id of the user.")
    taker_name = models.CharField(max_length=150, help_text="The name of the user at that time.")
    reason = models.TextField(blank=True, default="")
    digest = models.CharField(max_length=64)
    actor = models.CharField(max_length=200, help_text="Who brought it, as kind:id.")
    via = models.CharField(max_length=10, help_text="By which way it came.")
    at = models.DateTimeField()

    class Meta:
        ordering = ("id",)
        indexes = [
            models.Index(fields=("run_id",), name="human_delegation_run"),
            models.Index(fields=("giver", "request"), name="human_delegation_giver"),
            models.Index(fields=("taker", "request"), name="human_delegation_taker"),
        ]

    def __str__(self) -> str:
        return f"{self.giver_name} to {self.taker_name}"


class HumanLink(models.Model):
    """A link by which somebody answers without signing in. Its address is signed: the row alone opens nothing."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    request = models.ForeignKey(HumanRequest, on_delete=models.DO_NOTHING, db_constraint=False, related_name="links")
    run_id = models.UUIDField()
    person = models.CharField(max_length=50, help_text="The id of the user it answers for.")
    name = models.CharField(max_length=150, help_text="The name of the user at that time.")
    made_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, help_text="When an answer came by it.")
    revoked_at = models.DateTimeField(null=True, help_text="When the say was handed to somebody else.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=("request", "person"), condition=Q(revoked_at__isnull=True), name="human_link_once"
            )
        ]
        indexes = [models.Index(fields=["run_id"], name="human_link_run")]

    def __str__(self) -> str:
        return f"link of {self.name}"
