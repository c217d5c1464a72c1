"""The engine's tables. Rows and their constraints only: no I/O, no signals, no decisions.

How the tables hang together:

    Workflow 1-n WorkflowVersion (immutable) 1-n Run 1-n Activation   what is going on, deleted when it ends
                                                 1-n Step             how a step ended
                                                 1-n Fanout 1-n Item  a `for_each` and its items
                                                 1-n Attempt          attempts without success
                                                 1-n DeadLetter       what has failed for good
    Workflow 1-n Release                                              which version, and which canary, starts get
    Limit 1-n Slot                                                    how many steps may do something at once

Equal dead letters share an incident: see `workflows/incident_models.py`.

An activation is a segment whose needs have ended, and at the same time everything the engine must not
forget: the message to send, the lease of the worker, the timer of the retry. `due_at` says when it has to be
dispatched (again); one sweep over `due_at` is the outbox, the recovery and the clock.

Hot tables carry no foreign keys in the database: a check there costs each step a look-up and a lock on its run.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from workflows.child_models import ChildRun as ChildRun
from workflows.core.states import (
    ActivationState,
    DeadLetterState,
    ItemState,
    RunState,
    StepState,
    TrialState,
    WaitReason,
)
from workflows.dry_run_models import DryRun as DryRun
from workflows.event_models import Event as Event
from workflows.event_models import EventKey as EventKey
from workflows.event_models import EventWait as EventWait
from workflows.gate_models import Gate as Gate
from workflows.gate_models import JoinedStart as JoinedStart
from workflows.gate_models import RunSlot as RunSlot
from workflows.growth_models import GrownPlan as GrownPlan
from workflows.heartbeat_models import Heartbeat as Heartbeat
from workflows.human_models import HumanAnswer as HumanAnswer
from workflows.human_models import HumanDelegation as HumanDelegation
from workflows.human_models import HumanLink as HumanLink
from workflows.human_models import HumanRequest as HumanRequest
from workflows.incident_models import Incident as Incident
from workflows.incident_models import IncidentHour as IncidentHour
from workflows.incident_models import InputOverride as InputOverride
from workflows.incident_models import PoisonMessage as PoisonMessage
from workflows.limit_models import Limit as Limit
from workflows.limit_models import Slot as Slot
from workflows.pause_models import Pause as Pause
from workflows.pause_models import PauseEpoch as PauseEpoch
from workflows.release_models import Release as Release
from workflows.retry_models import Retry as Retry
from workflows.start_key_models import StartKey as StartKey


def _choices(
    states: type[RunState | StepState | ItemState | ActivationState | DeadLetterState | TrialState],
) -> list[tuple[str, str]]:
    return [(state.value, state.value.replace("_", " ")) for state in states]


class Workflow(models.Model):
    """A named piece of work; what it does is in its versions."""

    id = models.BigAutoField(primary_key=True)
    name = models.SlugField(max_length=100, unique=True)
    description = models.TextField(blank=True, default="")
    is_enabled = models.BooleanField(default=True, help_text="New runs are refused while this is off.")
    latest_number = models.PositiveIntegerField(default=0, help_text="Number of the newest version.")
    release = models.OneToOneField(
        Release, on_delete=models.PROTECT, null=True, related_name="+", help_text="Which versions starts get."
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class WorkflowVersion(models.Model):
    """One immutable definition with its plan. A run keeps the version it started on."""

    id = models.BigAutoField(primary_key=True)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField(help_text="The definition as JSON.")
    source = models.TextField(help_text="The definition as it was written.")
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the canonical document.")
    plan = models.JSONField(help_text="The segments it was cut into.")
    plan_hash = models.CharField(max_length=64)
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=200)

    class Meta:
        ordering = ("workflow", "-number")
        constraints = [
            models.UniqueConstraint(fields=("workflow", "number"), name="version_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.workflow.name} v{self.number}"


class Run(models.Model):
    """One execution of a version."""

    id = models.UUIDField(primary_key=True, help_text="UUID version 7: ordered by time.")
    workflow_name = models.CharField(max_length=100)
    version = models.ForeignKey(WorkflowVersion, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    state = models.CharField(max_length=20, choices=_choices(RunState), default=RunState.RUNNING)
    input = models.JSONField(null=True)
    output = models.JSONField(null=True)
    error = models.JSONField(null=True, help_text="{kind, message, step} of what made it fail.")
    correlation_id = models.CharField(max_length=200)
    traceparent = models.CharField(max_length=60, blank=True, default="")
    started_by = models.CharField(max_length=200, help_text="The actor, as kind:id.")
    priority = models.SmallIntegerField(default=0, help_text="Higher starts first within its lane.")
    fairness_key = models.CharField(
        max_length=64, blank=True, default="", db_default="", db_collation="C", help_text="Whose share it uses."
    )
    fairness_weight = models.FloatField(default=1.0, db_default=1.0, help_text="How large that share is.")
    round = models.SmallIntegerField(default=0, help_text="How often it was requeued.")
    deadline_at = models.DateTimeField(null=True)
    deadline_missed_at = models.DateTimeField(null=True, help_text="The deadline it was too late for and went on.")
    start_key = models.CharField(max_length=300, null=True, help_text="Client and Idempotency-Key.")
    start_digest = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(
        max_length=20, blank=True, default="", db_default="", help_text="What it ends as when all it owes is done."
    )
    is_undoing = models.BooleanField(default=False, db_default=False, help_text="What was done is undone at its end.")
    grown_id = models.BigIntegerField(null=True, help_text="Its own plan, once a step has returned further steps.")
    is_dry = models.BooleanField(default=False, db_default=False, help_text="It has no effect outside.")
    is_awaited = models.BooleanField(default=False, db_default=False, help_text="A step of another run waits for it.")

    class Meta:
        ordering = ("-id",)
        permissions = (("set_result", "Can set the result of a step by hand"),)
        constraints = [
            models.CheckConstraint(
                condition=Q(state=RunState.RUNNING, ended_at__isnull=True)
                | (~Q(state=RunState.RUNNING) & Q(ended_at__isnull=False)),
                name="run_ended_at_tells_state",
            ),
        ]
        indexes = [
            models.Index(fields=("workflow_name", "-id"), name="run_by_workflow"),
            models.Index(fields=("-id",), condition=Q(state=RunState.RUNNING), name="run_running"),
            models.Index(fields=("-id",), condition=Q(state=RunState.FAILED), name="run_failed"),
            models.Index(fields=("-id",), condition=Q(state=RunState.CANCELLED), name="run_cancelled"),
            models.Index(
                fields=("deadline_at",),
                condition=Q(state=RunState.RUNNING, deadline_at__isnull=False),
                name="run_deadline",
            ),
            models.Index(fields=("correlation_id",), name="run_correlation"),
        ]

    def __str__(self) -> str:
        return f"{self.workflow_name} {self.id}"

    @property
    def program_id(self) -> int:
        """This will give what `plans.program_of` knows its steps by: its version, or what the run has made of it."""
        return self.version_id if self.grown_id is None else -self.grown_id


class Activation(models.Model):
    """A segment (or a puller of a `for_each`) whose needs have ended and that has not ended itself."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(
        Run, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="activations"
    )
    version_id = models.BigIntegerField()
    segment = models.SmallIntegerField()
    slot = models.SmallIntegerField(default=0, help_text="Number of the puller in a for_each, else 0.")
    position = models.SmallIntegerField(default=0, help_text="Index of the step in its segment.")
    range_start = models.IntegerField(default=0, help_text="First item this puller holds.")
    range_end = models.IntegerField(default=0, help_text="One past the last item this puller holds.")
    attempt = models.SmallIntegerField(default=1, help_text="Number of the attempt under way or next.")
    round = models.SmallIntegerField(default=0)
    state = models.CharField(max_length=10, choices=_choices(ActivationState), default=ActivationState.READY)
    wait_reason = models.CharField(max_length=20, default=WaitReason.WORKER)
    holds_slots = models.BooleanField(default=False, db_default=False, help_text="Slots of limits are in its hands.")
    wait_object = models.CharField(max_length=300, blank=True, default="", help_text="What it waits for, by name.")
    due_at = models.DateTimeField(help_text="When it is dispatched (again): outbox, lease end and timer.")
    begun_at = models.DateTimeField(null=True, help_text="When its step began, if it has waited outside since.")
    parked_at = models.DateTimeField(null=True, help_text="Since when it waits outside.")
    is_woken = models.BooleanField(default=False, db_default=False, help_text="Woken while a worker looked.")
    owner = models.CharField(max_length=120, blank=True, default="")
    epoch = models.IntegerField(default=0, help_text="Counts claims: a fence against late results.")
    lane = models.CharField(max_length=40)
    priority = models.SmallIntegerField(default=0)
    fairness_key = models.CharField(max_length=64, blank=True, default="", db_default="", db_collation="C")
    fairness_weight = models.FloatField(default=1.0, db_default=1.0)
    dispatches = models.SmallIntegerField(default=0)
    previous_delay_s = models.FloatField(null=True)
    first_attempt_at = models.DateTimeField(null=True)
    step_started_at = models.DateTimeField(null=True)
    latest_start_at = models.DateTimeField(null=True, help_text="Its step fails when it has not begun by then.")
    latest_end_at = models.DateTimeField(null=True, help_text="Its step fails when it has not ended by then.")
    notice = models.SmallIntegerField(default=0, db_default=0, help_text="1: nothing comes after its step; 2: stop it.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("run", "segment", "slot"), name="activation_once"),
        ]
        indexes = [
            models.Index(fields=("due_at",), name="activation_due"),
            models.Index(fields=("lane", "fairness_key", "priority", "due_at"), name="activation_order"),
            models.Index(
                fields=("wait_object", "-priority", "id"),
                condition=Q(wait_reason=WaitReason.LIMIT),
                name="activation_line",
            ),
            models.Index(fields=("wait_object", "id"), condition=Q(wait_reason="paused"), name="activation_paused"),
            models.Index(
                fields=("latest_start_at",), condition=Q(latest_start_at__isnull=False), name="activation_latest_start"
            ),
            models.Index(
                fields=("latest_end_at",), condition=Q(latest_end_at__isnull=False), name="activation_latest_end"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.segment}/{self.slot} {self.state}"


class Step(models.Model):
    """How a step of a run ended; its attempts without success are in Attempt."""

    pk = models.CompositePrimaryKey("run_id", "step")
    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="steps")
    step = models.CharField(max_length=100)
    state = models.CharField(max_length=20, choices=_choices(StepState))
    output = models.JSONField(null=True)
    error = models.JSONField(null=True, help_text="{kind, message} of the attempt that ended it.")
    attempts = models.SmallIntegerField(default=1)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.run_id}/{self.step} {self.state}"


class Fanout(models.Model):
    """The `for_each` of a run: how many items there are and which is taken next."""

    pk = models.CompositePrimaryKey("run_id", "step")
    run = models.ForeignKey(
        Run, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="fanouts"
    )
    step = models.CharField(max_length=100)
    total = models.IntegerField()
    next_index = models.IntegerField(default=0)
    started_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(next_index__lte=F("total")), name="fanout_next_in_range"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.step} {self.next_index}/{self.total}"


class Item(models.Model):
    """One item of a `for_each`, with its own state, attempts and result."""

    pk = models.CompositePrimaryKey("run_id", "step", "index")
    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="items")
    step = models.CharField(max_length=100)
    index = models.IntegerField()
    state = models.CharField(max_length=10, choices=_choices(ItemState), default=ItemState.READY)
    value = models.JSONField(null=True)
    output = models.JSONField(null=True)
    error = models.JSONField(null=True)
    attempt = models.SmallIntegerField(default=1, help_text="Number of the attempt under way or next.")
    slot = models.SmallIntegerField(null=True, help_text="The puller that retries it.")
    due_at = models.DateTimeField(null=True, help_text="When it is tried again.")
    previous_delay_s = models.FloatField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    round = models.SmallIntegerField(default=0, db_default=0, help_text="The run's round that brought it back.")
    wait_reason = models.CharField(max_length=20, blank=True, default="", db_default="")
    wait_object = models.CharField(max_length=300, blank=True, default="", db_default="")
    parked_at = models.DateTimeField(null=True, help_text="Since when it waits outside.")
    parked_s = models.FloatField(default=0.0, db_default=0.0, help_text="How long it has waited outside before.")
    is_woken = models.BooleanField(default=False, db_default=False, help_text="Woken while a worker looked.")

    class Meta:
        indexes = [
            models.Index(fields=("run", "step", "due_at"), condition=Q(due_at__isnull=False), name="item_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.step}[{self.index}] {self.state}"


class Attempt(models.Model):
    """An attempt that did not succeed: what is known, and how long the engine waited after it."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(
        Run, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="attempts"
    )
    step = models.CharField(max_length=100)
    index = models.IntegerField(null=True)
    round = models.SmallIntegerField(default=0)
    attempt = models.SmallIntegerField()
    kind = models.CharField(max_length=20)
    message = models.TextField()
    evidence = models.JSONField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField()
    delay_s = models.FloatField(null=True, help_text="Delay before the next attempt; empty: there was none.")

    class Meta:
        ordering = ("id",)
        indexes = [models.Index(fields=("run", "id"), name="attempt_of_run")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.step} attempt {self.attempt}: {self.kind}"


class DeadLetter(models.Model):
    """A step or item that ran out of attempts, or (`step` is empty) a run that failed by itself."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(
        Run, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="dead_letters"
    )
    workflow_name = models.CharField(max_length=100)
    step = models.CharField(max_length=100, blank=True)
    index = models.IntegerField(null=True)
    kind = models.CharField(max_length=20)
    message = models.TextField()
    payload = models.JSONField(null=True, help_text="The step's evaluated inputs.")
    attempts = models.SmallIntegerField()
    state = models.CharField(max_length=10, choices=_choices(DeadLetterState), default=DeadLetterState.OPEN)
    created_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=200, blank=True, default="")
    reason = models.CharField(max_length=1000, blank=True, default="", db_default="", help_text="Why it was given up.")
    fingerprint = models.CharField(max_length=16, blank=True, default="", db_default="", help_text="Its incident.")
    is_counted = models.BooleanField(default=False, db_default=False, help_text="In the count of its incident.")
    trial = models.CharField(
        max_length=10, choices=_choices(TrialState), blank=True, default=TrialState.NONE, db_default=TrialState.NONE
    )
    trial_ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = [
            models.Index(fields=("run", "id"), name="dead_letter_of_run"),
            models.Index(fields=("-id",), condition=Q(state=DeadLetterState.OPEN), name="dead_letter_open"),
            models.Index(fields=("fingerprint", "-id"), name="dead_letter_incident"),
            models.Index(fields=("id",), condition=Q(is_counted=False), name="dead_letter_uncounted"),
            models.Index(
                fields=("fingerprint",), condition=Q(state=DeadLetterState.OPEN), name="dead_letter_incident_open"
            ),
            models.Index(
                fields=("fingerprint",), condition=Q(trial=TrialState.PENDING), name="dead_letter_incident_trial"
            ),
            models.Index(
                fields=("fingerprint", "trial_ended_at"),
                condition=Q(trial=TrialState.SUCCEEDED),
                name="dead_letter_incident_proof",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow_name} {self.place}: {self.kind}"

    @property
    def place(self) -> str:
        """This will name the step, or the item of a `for_each`; nothing where the run itself failed."""
        return self.step if self.index is None else f"{self.step}[{self.index}]"
