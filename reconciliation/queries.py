"""Reads of reconciliation, each with a named order; they change nothing."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db.models import Count, F, Max, Min, Q, QuerySet

from integrations import call_queries
from reconciliation.core.lifecycle import VarianceState
from reconciliation.errors import UnknownComparison, UnknownJob, UnknownVariance
from reconciliation.jobs import documents, rules
from reconciliation.jobs.spec import JobSpec
from reconciliation.models import Comparison, Job, JobVersion, Repair, RuleInForce, Variance
from reconciliation.states import ComparisonState, RepairState
from workflows import queries as workflows

TREND = 30
_COUNTED = 100
_CALLS = 10


class CallRow(Protocol):
    """A row of the call ledger, as far as it is shown here."""

    key: UUID
    run_id: UUID
    adapter: str
    connection: str
    outcome: str
    happened: bool | None
    first_sent_at: datetime

    @property
    def place(self) -> str:
        """This will name its step."""
        ...


def get_job(name: str) -> Job:
    """This will read a job. Raises UnknownJob."""
    job = Job.objects.filter(name=name, latest_number__gt=0).first()
    if job is None:
        raise UnknownJob(name)
    return job


def jobs() -> QuerySet[Job]:
    """This will select the jobs by name."""
    return Job.objects.filter(latest_number__gt=0).order_by("name")


def latest_version(job: Job) -> JobVersion:
    """This will read the newest version of a job."""
    return job.versions.get(number=job.latest_number)


def spec_of(version: JobVersion) -> JobSpec:
    """This will give what a version means."""
    return documents.read(version.document)


def get_comparison(comparison_id: int) -> Comparison:
    """This will read a comparison with its job. Raises UnknownComparison."""
    row = Comparison.objects.select_related("job", "version").filter(id=comparison_id).first()
    if row is None:
        raise UnknownComparison(comparison_id)
    return row


def comparisons(*, job: Job | None = None) -> QuerySet[Comparison]:
    """This will select comparisons, the newest first."""
    found = Comparison.objects.select_related("job", "version").order_by("-id")
    return found if job is None else found.filter(job=job)


def latest_comparisons(jobs: Sequence[int]) -> Mapping[int, Comparison]:
    """This will give the newest comparison of each of some jobs that was no dry run."""
    rows = Comparison.objects.filter(job__in=jobs, is_dry_run=False).order_by("job_id", "-id").distinct("job_id")
    return {row.job_id: row for row in rows}


def get_variance(variance_id: int) -> Variance:
    """This will read a variance with its job. Raises UnknownVariance."""
    row = Variance.objects.select_related("job").filter(id=variance_id).first()
    if row is None:
        raise UnknownVariance(variance_id)
    return row


def variances(*, job: Job | None = None) -> QuerySet[Variance]:
    """This will select variances, the newest first."""
    found = Variance.objects.select_related("job").order_by("-id")
    return found if job is None else found.filter(job=job)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Who touched a record: the run, and its calls that may have; None and none where no trace leads there."""

    run: UUID | None = None
    calls: Sequence[CallRow] = ()


def behind(variances: Collection[Variance]) -> Mapping[int, Behind]:
    """This will give who touched the record of each variance, by its id, as far as its trace leads.

    A trace is the idempotency key of a call, which leads to that call, or the id or correlation id of a run, which
    leads to the first calls of that run that may change something outside.
    """
    traces = {one.trace for one in variances if one.trace}
    calls = {str(key): call for key, call in call_queries.of_keys(_keys(traces)).items()}
    runs = workflows.traced([trace for trace in traces if _plain(trace) not in calls])
    effects = call_queries.effects_of(set(runs.values()), most=_CALLS)
    found: dict[int, Behind] = {}
    for one in variances:
        call, run = calls.get(_plain(one.trace)), runs.get(one.trace)
        if call is not None:
            found[one.pk] = Behind(run=call.run_id, calls=(call,))
        else:
            found[one.pk] = Behind(run=run, calls=effects.get(run, ()) if run is not None else ())
    return found


def calls_of(repairs: Collection[Repair]) -> Mapping[UUID, Sequence[CallRow]]:
    """This will give the calls that the runs of repairs made and that may change something, by run."""
    return call_queries.effects_of({one.run_id for one in repairs if one.run_id is not None}, most=_CALLS)


def _keys(traces: Collection[str]) -> Collection[UUID]:
    keys: set[UUID] = set()
    for trace in traces:
        with contextlib.suppress(ValueError):
            keys.add(UUID(trace))
    return keys


def _plain(trace: str) -> str:
    """A key as it is written here, however it was written there."""
    try:
        return str(UUID(trace))
    except ValueError:
        return trace


def repairs_of(variance: Variance) -> QuerySet[Repair]:
    """This will select what rules wanted done about a variance, the latest first."""
    return variance.repairs.order_by("-id")


def repaired(job: Job) -> QuerySet[Variance]:
    """This will select the variances whose repair the next comparison must confirm, by id."""
    return Variance.objects.filter(job=job, state=VarianceState.REPAIRED).order_by("id")


def trend(job: Job, *, before: Comparison | None = None) -> Sequence[Comparison]:
    """This will give the latest comparisons that are done, the oldest first; up to and with `before`."""
    found = Comparison.objects.filter(job=job, state=ComparisonState.DONE, is_dry_run=False).order_by("-id")
    if before is not None:
        found = found.filter(id__lte=before.pk)
    return list(found[:TREND])[::-1]


def rules_in_force(job: Job) -> Mapping[str, str]:
    """This will give the digest of each rule that is in force, by its name."""
    return dict(RuleInForce.objects.filter(job=job).order_by("rule").values_list("rule", "digest"))


def being_repaired(comparison: Comparison, *, digests: Collection[str]) -> set[int]:
    """This will give the variances that rules leave alone: their repair is under way, or was carried out.

    One whose repair has failed is free for other rules than `digests`' own: the same rule does not try again by itself.
    """
    tried = Repair.objects.filter(
        variance__last_comparison=comparison,
        round=F("variance__reopened"),
        state__in=(RepairState.STARTED, RepairState.DONE),
    )
    found = list(tried.values_list("variance_id", "digest", "state", "run_id"))
    runs = [run_id for _, digest, state, run_id in found if state == RepairState.STARTED and digest not in digests]
    failed = set(workflows.failed_of(run_ids=[run_id for run_id in runs if run_id is not None]))
    return {variance_id for variance_id, _, _, run_id in found if run_id not in failed}


def open_variances() -> int:
    """This will count the open variances, to a hundred."""
    return Variance.objects.filter(state=VarianceState.OPEN).order_by()[:_COUNTED].count()


def ended() -> Mapping[str, tuple[str, datetime | None]]:
    """This will give, by the workflow of each job, its name and when the latest comparison began that ended well."""
    done = Q(comparisons__state=ComparisonState.DONE, comparisons__is_dry_run=False)
    rows = jobs().filter(is_enabled=True).annotate(latest_at=Max("comparisons__started_at", filter=done))
    return {rules.job_workflow(job.name): (job.name, job.latest_at) for job in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The open variances of a job that one comparison was the first to find: how many, and since when."""

    job: str
    comparison: int
    number: int
    since: datetime


def standings() -> Sequence[Standing]:
    """This will give what stands open, job by job and comparison by comparison."""
    rows = Variance.objects.filter(state=VarianceState.OPEN).order_by("job__name", "first_comparison")
    counted = rows.values_list("job__name", "first_comparison").annotate(Count("id"), Min("first_seen_at"))
    return [Standing(job=job, comparison=first, number=number, since=at) for job, first, number, at in counted]


def signs(*, now: datetime) -> Iterator[Mapping[str, Any]]:  # Any: of several types
    """This will give what alert rules of the kind `variance` look at: what each comparison was the first to find."""
    for one in standings():
        yield {
            "object": f"{one.job} #{one.comparison}",
            "scope": one.job,
            "count": one.number,
            "age_s": max(0.0, (now - one.since).total_seconds()),
            "words": f"{one.number} variances in {one.job} are open, found by comparison {one.comparison}",
            "page": f"/admin/reconciliation/comparison/{one.comparison}/change/",
        }
