"""The forms of requests and answers; they check shapes and decide nothing."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit.redaction import redacted
from workflows import child_queries, closing_report, inspection, retries
from workflows.api.change_forms import ClosingSerializer, RetryReportSerializer
from workflows.api.state_field import StateField
from workflows.api.wait_forms import WaitSerializer
from workflows.core.standing import Standing
from workflows.core.states import DeadLetterState, ItemState, RunState, TrialState
from workflows.models import Attempt, DeadLetter, Item, Run, Workflow, WorkflowVersion


class ProblemPlaceSerializer(serializers.Serializer[Any]):
    """One thing that is wrong with a definition or an input."""

    path = serializers.CharField(help_text="JSON path, for example `$.steps.charge.needs[0]`.")
    message = serializers.CharField()
    hint = serializers.CharField(help_text="What would be right, where that is known.")
    line = serializers.IntegerField(allow_null=True, help_text="Counts from 1; known for YAML and JSON sources.")
    column = serializers.IntegerField(allow_null=True)


class ProblemSerializer(serializers.Serializer[Any]):
    """What went wrong (RFC 9457, application/problem+json)."""

    type = serializers.CharField(help_text="`urn:problem-type:automation:` and a fixed word.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField(help_text="The path of the request.")
    problems = ProblemPlaceSerializer(many=True, required=False)


class SourceSerializer(serializers.Serializer[Any]):
    """A definition as text. A definition document itself, as JSON or YAML, is taken as well."""

    source = serializers.CharField(  # type: ignore[assignment]  # a word of the framework, but ours on the wire
        trim_whitespace=False, help_text="The definition in YAML or JSON."
    )


class WorkflowSerializer(serializers.ModelSerializer[Workflow]):
    """A workflow. `version` is what starts get, except for the share that a `canary` gets."""

    version = serializers.IntegerField(source="release.version.number", default=None, allow_null=True)
    canary = serializers.IntegerField(source="release.canary.number", default=None, allow_null=True)
    canary_percent = serializers.FloatField(source="release.canary_percent", default=0.0)

    class Meta:
        model = Workflow
        fields = (
            "name",
            "description",
            "is_enabled",
            "latest_number",
            "version",
            "canary",
            "canary_percent",
            "created_at",
        )


class VersionSerializer(serializers.ModelSerializer[WorkflowVersion]):
    """A version, without its content."""

    workflow = serializers.CharField(source="workflow.name")

    class Meta:
        model = WorkflowVersion
        fields = ("workflow", "number", "content_hash", "plan_hash", "published_at", "published_by")


class SegmentSerializer(serializers.Serializer[Any]):
    """Consecutive steps that one wake-up carries through."""

    steps = serializers.ListField(child=serializers.CharField())
    lane = serializers.CharField()
    for_each = serializers.BooleanField()


class VersionDetailSerializer(VersionSerializer):
    """A version with its definition, as written and as JSON, and the segments it was cut into."""

    plan = SegmentSerializer(many=True)

    class Meta(VersionSerializer.Meta):
        fields = (*VersionSerializer.Meta.fields, "document", "source", "plan")  # type: ignore[assignment]  # longer


class CheckSerializer(serializers.Serializer[Any]):
    """What a check has found."""

    valid = serializers.BooleanField()
    problems = ProblemPlaceSerializer(many=True)


class StartedSerializer(serializers.Serializer[Any]):
    """A run that exists now; `started_answer` writes it without building fields, for this is the hot answer."""

    id = serializers.UUIDField(help_text="UUID version 7: ordered by time.")
    workflow = serializers.CharField()
    state = StateField(RunState)
    correlation_id = serializers.CharField()
    started_by = serializers.CharField(help_text="The actor, as kind:id.")
    priority = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    joined = serializers.CharField(
        allow_blank=True,
        help_text="`batch`, `debounce` or `singleton`: the run of another start stands for this one. Else empty.",
    )
    mode = serializers.ChoiceField(choices=["live", "dry_run"])


def started_answer(run: Run, *, joined: str = "") -> dict[str, object]:
    """This will give the answer that StartedSerializer documents."""
    return {
        "id": run.id,
        "workflow": run.workflow_name,
        "state": run.state,
        "correlation_id": run.correlation_id,
        "started_by": run.started_by,
        "priority": run.priority,
        "created_at": run.created_at,
        "joined": joined,
        "mode": mode_of(run),
    }


def mode_of(run: Run) -> str:
    """This will say whether a run has effects outside."""
    return "dry_run" if run.is_dry else "live"


class RunSerializer(serializers.ModelSerializer[Run]):
    """A run, without its data."""

    workflow = serializers.CharField(source="workflow_name")
    version = serializers.IntegerField(source="version.number")
    state = StateField(RunState)
    mode = serializers.SerializerMethodField(help_text="`live`, or `dry_run`: it has no effect outside.")
    ending = serializers.SerializerMethodField(help_text="As what a running run ends when all it owes is done.")

    class Meta:
        model = Run
        fields = (
            "id",
            "workflow",
            "version",
            "state",
            "mode",
            "correlation_id",
            "started_by",
            "priority",
            "round",
            "deadline_at",
            "deadline_missed_at",
            "created_at",
            "ended_at",
            "ending",
        )

    def get_mode(self, run: Run) -> str:
        """This will say whether it has effects outside."""
        return mode_of(run)

    def get_ending(self, run: Run) -> str:
        """This will say as what a running run ends; nothing where that is not decided, or done."""
        return run.ending if run.state == RunState.RUNNING else ""


class ParentSerializer(serializers.Serializer[Any]):
    """The step (`uses: workflow`) that has started a run."""

    run = serializers.UUIDField(source="parent_id")
    step = serializers.CharField()
    index = serializers.IntegerField(allow_null=True, help_text="Of the item of a for_each.")


class RunDetailSerializer(RunSerializer):
    """A run with its data, and what it waits for."""

    waits = serializers.SerializerMethodField()
    closing = serializers.SerializerMethodField()
    parent = serializers.SerializerMethodField()  # type: ignore[assignment]  # a word of the framework, but ours here
    retry_of = serializers.SerializerMethodField()
    retries = serializers.SerializerMethodField()

    class Meta(RunSerializer.Meta):
        fields = (  # type: ignore[assignment]  # longer
            *RunSerializer.Meta.fields,
            "input",
            "output",
            "error",
            "traceparent",
            "waits",
            "closing",
            "parent",
            "retry_of",
            "retries",
        )

    @extend_schema_field(WaitSerializer(many=True))
    def get_waits(self, run: Run) -> object:
        """This will say what the run waits for; nothing when it has ended."""
        return WaitSerializer(inspection.waits_of(run), many=True).data

    @extend_schema_field(ClosingSerializer(allow_null=True))
    def get_closing(self, run: Run) -> object:
        """This will say what is done, undone and still owed at its end; null where there is nothing to say."""
        report = closing_report.report_of(run)
        return None if report is None else ClosingSerializer(report).data

    @extend_schema_field(ParentSerializer(allow_null=True))
    def get_parent(self, run: Run) -> object:
        """This will name the step of another run that has started it; null where none has."""
        link = child_queries.parent_link(run.id)
        return None if link is None else ParentSerializer(link).data

    @extend_schema_field(RetryReportSerializer(allow_null=True))
    def get_retry_of(self, run: Run) -> object:
        """This will say whose work the run does again; null where it does its own."""
        report = retries.find_origin(run.id, state=run.state) if run.round else None
        return None if report is None else RetryReportSerializer(report).data

    @extend_schema_field(RetryReportSerializer(many=True))
    def get_retries(self, run: Run) -> object:
        """This will list the retries of the run, the newest first; it has succeeded only if one of them has."""
        found = retries.retries_of(run.id) if run.state != RunState.RUNNING else ()
        return RetryReportSerializer(found, many=True).data


class StepSerializer(serializers.Serializer[Any]):
    """Where a step stands. A step not begun is `pending`, or `not_reached` when its run has ended."""

    step = serializers.CharField()
    uses = serializers.CharField()
    needs = serializers.ListField(child=serializers.CharField())
    lane = serializers.CharField()
    segment = serializers.IntegerField()
    state = StateField(Standing)
    attempts = serializers.IntegerField()
    output = serializers.JSONField(allow_null=True)
    error = serializers.JSONField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    items = serializers.DictField(child=serializers.IntegerField(), help_text="Items of a for_each by state.")
    grown_by = serializers.CharField(allow_blank=True, help_text="The step that has returned it while the run ran.")


class StepListSerializer(serializers.Serializer[Any]):
    """All steps of a run in the order of its plan."""

    results = StepSerializer(many=True)


class ItemSerializer(serializers.ModelSerializer[Item]):
    """One item of a for_each."""

    state = StateField(ItemState)

    class Meta:
        model = Item
        fields = ("index", "state", "value", "output", "error", "attempt", "due_at", "started_at", "ended_at")


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """An attempt that did not succeed."""

    class Meta:
        model = Attempt
        fields = (
            "step",
            "index",
            "round",
            "attempt",
            "kind",
            "message",
            "evidence",
            "started_at",
            "ended_at",
            "delay_s",
        )


class AuditEventSerializer(serializers.Serializer[Any]):
    """What happened, by whom; `payload` is canonical JSON, `digest` the SHA-256 of the event."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    actor = serializers.CharField()
    subject_type = serializers.CharField()
    subject_id = serializers.CharField()
    correlation_id = serializers.CharField()
    payload = serializers.CharField()
    digest = serializers.SerializerMethodField()

    def get_digest(self, event: Any) -> str:  # Any: a row of another app
        """This will give the digest in hexadecimal."""
        return bytes(event.digest).hex()


class DiscardSerializer(serializers.Serializer[Any]):
    """Why a dead letter is given up."""

    reason = serializers.CharField(max_length=1000)


class DeadLetterSerializer(serializers.ModelSerializer[DeadLetter]):
    """A step or item that ran out of attempts, or (`step` is empty) a run that failed by itself."""

    run = serializers.UUIDField(source="run_id")
    workflow = serializers.CharField(source="workflow_name")
    state = StateField(DeadLetterState)
    incident = serializers.CharField(source="fingerprint")
    trial = StateField(TrialState, help_text="What came of the requeue; empty: there was none.")

    class Meta:
        model = DeadLetter
        fields = (
            "id",
            "run",
            "workflow",
            "step",
            "index",
            "kind",
            "message",
            "attempts",
            "state",
            "created_at",
            "resolved_at",
            "resolved_by",
            "reason",
            "incident",
            "trial",
            "trial_ended_at",
        )


class DeadLetterDetailSerializer(DeadLetterSerializer):
    """A dead letter with what it was called with; what looks like a secret is masked."""

    payload = serializers.SerializerMethodField()

    class Meta(DeadLetterSerializer.Meta):
        fields = (*DeadLetterSerializer.Meta.fields, "payload")  # type: ignore[assignment]  # longer

    @extend_schema_field(OpenApiTypes.ANY)
    def get_payload(self, letter: DeadLetter) -> object:
        """This will give the step's evaluated inputs."""
        return redacted(letter.payload)
