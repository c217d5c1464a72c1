"""Publishes jobs as immutable versions, with the workflows that carry them out; lets rules act; starts comparisons."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import orjson
from django.db import transaction

from audit import operations as audit
from audit.events import Actor, EventKind
from reconciliation import queries
from reconciliation.errors import JobInvalid, RuleNotShown, UnknownJob, UnknownRule
from reconciliation.jobs import documents, rules
from reconciliation.jobs.spec import JobSpec
from reconciliation.models import Job, JobVersion, Repair, RuleInForce
from reconciliation.operations.trail import of_job
from workflows import operations as workflows
from workflows.core.problems import DefinitionInvalid, Problem
from workflows.operations import Start, Started


def publish(*, source: str, actor: Actor, now: datetime) -> tuple[JobVersion, bool]:
    """This will publish a job written in YAML or JSON; gives its version and whether it is new.

    Its workflows are published with it. The content of the newest version again changes nothing. Raises JobInvalid.
    """
    spec = documents.parse(source)
    content_hash = documents.content_hash(spec.document)
    with transaction.atomic():
        job = _locked(spec.name, now=now)
        latest = job.versions.filter(number=job.latest_number).first()
        if latest is not None and latest.content_hash == content_hash:
            return latest, False
        _publish_workflows(spec, actor=actor, now=now)
        version = JobVersion.objects.create(
            job=job,
            number=job.latest_number + 1,
            document=dict(spec.document),
            source=source,
            content_hash=content_hash,
            published_at=now,
            published_by=str(actor),
        )
        job.latest_number, job.description = version.number, spec.description
        job.save(update_fields=["latest_number", "description"])
        payload = {"number": version.number, "content_hash": content_hash}
        audit.record(of_job(EventKind.JOB_PUBLISHED, job, actor=actor, now=now, payload=payload))
    return version, True


def set_enabled(*, name: str, is_enabled: bool, actor: Actor, now: datetime) -> Job:
    """This will switch a job, and the workflow that compares it, on or off. Raises UnknownJob."""
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(name=name).first()
        if job is None:
            raise UnknownJob(name)
        if job.is_enabled == is_enabled:
            return job
        job.is_enabled = is_enabled
        job.save(update_fields=["is_enabled"])
        workflows.set_enabled(name=rules.job_workflow(name), is_enabled=is_enabled, actor=actor, now=now)
        kind = EventKind.JOB_ENABLED if is_enabled else EventKind.JOB_DISABLED
        audit.record(of_job(kind, job, actor=actor, now=now, payload={}))
    return job


def start(*, name: str, is_dry_run: bool, actor: Actor, now: datetime, key: str | None = None) -> Started:
    """This will have workers compare a job, by a run of its workflow. Raises UnknownJob, WorkflowDisabled."""
    queries.get_job(name)
    wanted = Start(input={"dry_run": is_dry_run}, key=key, correlation_id=f"reconciliation/{name}")
    return workflows.start_run(workflow=rules.job_workflow(name), start=wanted, actor=actor, now=now)


def put_in_force(*, name: str, rule: str, actor: Actor, now: datetime) -> RuleInForce:
    """This will let a rule carry its repairs out, as it is written now; said twice it changes nothing.

    Raises UnknownJob, UnknownRule, RuleNotShown when no comparison has shown what this rule would do.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(name=name).first()
        if job is None:
            raise UnknownJob(name)
        found = queries.spec_of(queries.latest_version(job)).rule(rule)
        if found is None or found.step is None:
            raise UnknownRule(job=name, rule=rule)
        if not Repair.objects.filter(variance__job=job, digest=found.digest).exists():
            raise RuleNotShown(job=name, rule=rule)
        row, is_new = RuleInForce.objects.get_or_create(
            job=job, rule=rule, defaults={"digest": found.digest, "since": now, "by": str(actor)}
        )
        if not is_new and row.digest == found.digest:
            return row
        row.digest, row.since, row.by = found.digest, now, str(actor)
        row.save(update_fields=["digest", "since", "by"])
        payload = {"rule": rule, "digest": found.digest}
        audit.record(of_job(EventKind.RULE_IN_FORCE, job, actor=actor, now=now, payload=payload))
    return row


def _locked(name: str, *, now: datetime) -> Job:
    Job.objects.bulk_create([Job(name=name, created_at=now)], ignore_conflicts=True)
    return Job.objects.select_for_update().get(name=name)


def _publish_workflows(spec: JobSpec, *, actor: Actor, now: datetime) -> None:
    problems: list[Problem] = []
    for index, definition in rules.definitions(spec):
        try:
            workflows.publish(source=orjson.dumps(definition).decode(), actor=actor, now=now)
        except DefinitionInvalid as error:
            problems.extend(_placed(error.problems, index=index))
    if problems:
        raise JobInvalid(problems)


def _placed(problems: Sequence[Problem], *, index: int | None) -> list[Problem]:
    """What is wrong with a workflow, at the place of the job that it was made from."""
    place, made_from = (
        ("$.schedule", "$.on.schedule") if index is None else (f"$.rules[{index}].repair", "$.steps.repair")
    )
    return [replace(one, path=one.path.replace(made_from, place), line=None, column=None) for one in problems]
