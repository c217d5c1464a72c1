"""Begins comparisons, one at a time for each job, keeps their leases and ends them when they fail."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from reconciliation import queries
from reconciliation.errors import ComparisonLost, ComparisonUnderWay, JobDisabled
from reconciliation.jobs.spec import JobSpec
from reconciliation.models import Comparison, Job
from reconciliation.operations.trail import of_comparison
from reconciliation.states import ComparisonState

LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A comparison that may be carried out now. `epoch` proves that it is still ours."""

    comparison_id: int
    epoch: int
    spec: JobSpec
    started_at: datetime
    is_done: bool = False


def begin(*, name: str, is_dry_run: bool, actor: Actor, now: datetime, run_id: UUID | None = None) -> Begun:
    """This will begin a comparison of the newest version of a job.

    The same run again takes its own comparison over, or is told that it is done. One whose lease has run out is
    abandoned. Raises UnknownJob, JobDisabled, ComparisonUnderWay.
    """
    job = queries.get_job(name)
    if not job.is_enabled:
        raise JobDisabled(name)
    try:
        with transaction.atomic():
            return _begin(job, is_dry_run=is_dry_run, actor=actor, now=now, run_id=run_id)
    except IntegrityError as error:  # somebody else began at this instant
        running = Comparison.objects.filter(job=job, state=ComparisonState.RUNNING).first()
        raise ComparisonUnderWay(name, comparison_id=0 if running is None else running.pk) from error


def renew(begun: Begun, *, now: datetime) -> None:
    """This will say that a comparison is still at work. Raises ComparisonLost."""
    mine = Comparison.objects.filter(id=begun.comparison_id, epoch=begun.epoch, state=ComparisonState.RUNNING)
    if not mine.update(lease_until=now + LEASE):
        raise ComparisonLost(begun.comparison_id)


def fail(begun: Begun, *, error: str, now: datetime) -> bool:
    """This will end a comparison that cannot be carried out; False: it was not ours any more."""
    with transaction.atomic():
        mine = Comparison.objects.filter(id=begun.comparison_id, epoch=begun.epoch, state=ComparisonState.RUNNING)
        if not mine.update(state=ComparisonState.FAILED, ended_at=now, error=error[:2000]):
            return False
        row = Comparison.objects.select_related("job").get(id=begun.comparison_id)
        audit.record(_failed(row, now=now, error=error))
    return True


def _begin(job: Job, *, is_dry_run: bool, actor: Actor, now: datetime, run_id: UUID | None) -> Begun:
    version = queries.latest_version(job)
    spec = queries.spec_of(version)
    if run_id is not None:
        ours = Comparison.objects.select_for_update().filter(run_id=run_id).first()
        if ours is not None:
            return _again(ours, spec=queries.spec_of(ours.version), now=now)
    running = Comparison.objects.select_for_update().filter(job=job, state=ComparisonState.RUNNING).first()
    if running is not None:
        if running.lease_until > now:
            raise ComparisonUnderWay(job.name, comparison_id=running.pk)
        running.state, running.ended_at = ComparisonState.ABANDONED, now
        running.error = "its process was lost"
        running.save(update_fields=["state", "ended_at", "error"])
        audit.record(_failed(running, now=now, error=running.error))
    window = spec.window.at(now) if spec.window else None
    row = Comparison.objects.create(
        job=job,
        version=version,
        state=ComparisonState.RUNNING,
        is_dry_run=is_dry_run,
        run_id=run_id,
        started_by=str(actor),
        started_at=now,
        lease_until=now + LEASE,
        window_from=window.begins_at if window else None,
        window_to=window.ends_at if window else None,
    )
    return Begun(comparison_id=row.pk, epoch=row.epoch, spec=spec, started_at=now)


def _again(row: Comparison, *, spec: JobSpec, now: datetime) -> Begun:
    """The step of a run is attempted again: what an earlier attempt found was never applied, unless it is done."""
    is_done = row.state == ComparisonState.DONE
    if not is_done:
        row.state, row.epoch, row.lease_until = ComparisonState.RUNNING, row.epoch + 1, now + LEASE
        row.started_at, row.ended_at, row.error = now, None, ""
        row.save(update_fields=["state", "epoch", "lease_until", "started_at", "ended_at", "error"])
    return Begun(comparison_id=row.pk, epoch=row.epoch, spec=spec, started_at=row.started_at, is_done=is_done)


def _failed(row: Comparison, *, now: datetime, error: str) -> Event:
    payload = {"error": error[:500]}
    actor = Actor.parse(row.started_by)
    return of_comparison(EventKind.JOB_COMPARISON_FAILED, row, actor=actor, now=now, payload=payload)
