"""The tables of what people are asked: requests, answers, delegations. Rows only: no decisions, no I/O."""

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
    excluded = models.CharField(
        max_length=50, blank=True, default="", help_text="The person who started the run, if that one may not answer."
    )
    state = models.CharField(
        max_length=10, choices=[(state.value, state.value) for state in RequestState], default=RequestState.OPEN.value
    )
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    escalated = models.SmallIntegerField(default=0, help_text="How many escalations have taken place.")
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
