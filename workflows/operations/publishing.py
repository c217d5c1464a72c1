"""Publishes definitions as immutable versions, and switches workflows on and off."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.conf import settings
from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from integrations import kinds
from integrations import queries as integrations
from integrations import registry as adapters
from workflows import capacity, connection_validation, documents, registry, triggers, validation
from workflows.core.definition import Definition, JsonObject, JsonValue
from workflows.core.plan import compile_plan
from workflows.core.problems import DefinitionInvalid, Problem
from workflows.core.release_causes import ReleaseCause
from workflows.errors import UnknownWorkflow
from workflows.models import Release, Workflow, WorkflowVersion
from workflows.operations import releasing
from workflows.operations.releasing import Canary
from workflows.pin_validation import KnownVersions, pinned_workflows
from workflows.release_errors import CanaryInvalid


@dataclass(frozen=True, slots=True)
class Checked:
    """A definition that is right: the document, and what it means."""

    document: JsonObject
    definition: Definition


def check(source: str) -> Checked:
    """This will parse and check a definition. Raises DefinitionInvalid with every problem, each at its line."""
    parsed = documents.parse_document(source)
    problems = find_problems(parsed.document)
    if problems:
        raise DefinitionInvalid([parsed.locate(problem) for problem in problems])
    return Checked(document=parsed.document, definition=validation.restore_definition(parsed.document))


def find_problems(document: JsonObject) -> list[Problem]:
    """This will give everything that is wrong with a document, as `check` does."""
    found = validation.find_problems(
        document,
        uses=uses(),
        functions=registry.schemas(),
        lanes=settings.LANES,
        limits=_known_limits(document),
        versions=_known_versions(document),
    )
    names = connection_validation.named(document)
    known = integrations.kinds_of(names) if names else {}
    return [*found, *connection_validation.connection_problems(document, wanted=kinds.by_use(), known=known)]


def uses() -> Mapping[str, JsonObject]:
    """This will give what a step may use, with the JSON Schema of each one's `with`."""
    return {**validation.BUILT_IN_USES, **cast(Mapping[str, JsonObject], adapters.input_schemas())}


def publish(*, source: str, actor: Actor, now: datetime, canary: Canary | None = None) -> tuple[WorkflowVersion, bool]:
    """This will publish a definition written in YAML or JSON; gives the version and whether it is new.

    All starts get it, or with a `canary` so many of them; what `on` says there counts when all do. Publishing the
    content of the newest version again changes nothing. Raises DefinitionInvalid, CanaryInvalid.
    """
    if canary is not None:
        releasing.check(canary)
    checked = check(source)
    definition = checked.definition
    content_hash = documents.content_hash(checked.document)
    plan = compile_plan(definition)
    with transaction.atomic():
        workflow = _lock_workflow(definition.name, now=now)
        latest = workflow.versions.filter(number=workflow.latest_number).first()
        if latest is not None and latest.content_hash == content_hash:
            return latest, False
        if canary is not None and workflow.release_id is None:
            raise CanaryInvalid(field="percent", problem="needs a version beside it: publish the first one for all")
        version = WorkflowVersion.objects.create(
            workflow=workflow,
            number=workflow.latest_number + 1,
            document=checked.document,
            source=source,
            content_hash=content_hash,
            plan=plan.document(),
            plan_hash=plan.digest,
            published_at=now,
            published_by=str(actor),
        )
        workflow.latest_number = version.number
        workflow.save(update_fields=["latest_number"])
        audit.record(
            _event(
                EventKind.WORKFLOW_PUBLISHED,
                workflow=workflow,
                actor=actor,
                now=now,
                payload={"number": version.number, "content_hash": content_hash, "plan_hash": plan.digest},
            )
        )
        if canary is not None:
            releasing.set_canary(workflow=workflow.name, canary=canary, version=version.number, actor=actor, now=now)
        else:
            release = Release(version=version, cause=ReleaseCause.PUBLISHED)
            releasing.put(release, workflow=workflow, actor=actor, now=now)
            triggers.published(checked.document, workflow=workflow.name, actor=actor, now=now)
    return version, True


def set_enabled(*, name: str, is_enabled: bool, actor: Actor, now: datetime) -> Workflow:
    """This will allow or refuse new runs of a workflow; runs under way go on. Raises UnknownWorkflow."""
    with transaction.atomic():
        workflow = Workflow.objects.select_for_update().filter(name=name).first()
        if workflow is None:
            raise UnknownWorkflow(name)
        if workflow.is_enabled == is_enabled:
            return workflow
        workflow.is_enabled = is_enabled
        workflow.save(update_fields=["is_enabled"])
        kind = EventKind.WORKFLOW_ENABLED if is_enabled else EventKind.WORKFLOW_DISABLED
        audit.record(_event(kind, workflow=workflow, actor=actor, now=now, payload={}))
    return workflow


def _known_limits(document: JsonObject) -> Collection[str]:
    """The limits that exist; a definition that names none is checked without asking the database."""
    steps = document.get("steps")
    names_some = isinstance(steps, Mapping) and any(
        isinstance(step, Mapping) and "limits" in step for step in steps.values()
    )
    return capacity.limit_names() if names_some else ()


def _known_versions(document: JsonObject) -> KnownVersions:
    """The versions of the workflows that a definition is pinned to; one without pins asks nothing."""
    known: dict[str, dict[int, JsonValue]] = {}
    names = pinned_workflows(document)
    if names:
        versions = WorkflowVersion.objects.filter(workflow__name__in=names)
        for name, number, schema in versions.values_list("workflow__name", "number", "document__input"):
            known.setdefault(name, {})[number] = schema
    return known


def _lock_workflow(name: str, *, now: datetime) -> Workflow:
    Workflow.objects.bulk_create([Workflow(name=name, created_at=now)], ignore_conflicts=True)
    return Workflow.objects.select_for_update().get(name=name)


def _event(kind: EventKind, *, workflow: Workflow, actor: Actor, now: datetime, payload: Mapping[str, object]) -> Event:
    return Event(
        kind=kind,
        actor=actor,
        subject_type="workflow",
        subject_id=workflow.name,
        correlation_id="",
        at=now,
        payload=payload,
    )
