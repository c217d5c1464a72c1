"""Reads that show how the whole engine is doing; each looks at a bounded number of rows and changes nothing.

Dry runs do not count.

A run's id begins with its time of creation, so "the last hour" is a range of the primary key.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, Count, F, Min, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import JSONObject

from workflows.core import identity
from workflows.core.states import ActivationState, DeadLetterState, RunState
from workflows.models import Activation, DeadLetter, Run, Workflow

RUNS_PER_HOUR_CAP = 10_000
RUNS_PER_WORKFLOW_CAP = 300
_COUNT_CAP = 10_000
_FAILURES_CAP = 5_000
_ACTIVATIONS_CAP = 20_000


@dataclass(frozen=True, slots=True)
class Tally:
    """How many there are; `is_capped`: at least so many, counting stopped there."""

    number: int
    is_capped: bool = False

    def __str__(self) -> str:
        return f"{self.number:,}+" if self.is_capped else f"{self.number:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """Runs that were started within one hour, and how many of them have failed."""

    begins_at: datetime
    started: Tally
    failed: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What one lane has to do: segments without a worker, at work, and asleep until their time."""

    name: str
    ready: int
    leased: int
    waiting: int
    oldest_ready_at: datetime | None
    oldest_run_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A workflow with failed runs, and the latest of them."""

    workflow_name: str
    failed: Tally
    run_id: UUID
    error: Mapping[str, object]
    failed_at: datetime


def since(moment: datetime) -> UUID:
    """This will give the least id that a run created at `moment` can have."""
    return identity.run_id(unix_ms=int(moment.timestamp() * 1000), random_bytes=bytes(10))


def running_count() -> Tally:
    """This will count the runs that have not ended."""
    return _tally(Run.objects.filter(state=RunState.RUNNING, is_dry=False))


def open_dead_letters() -> Tally:
    """This will count the dead letters that nobody has resolved."""
    return _tally(DeadLetter.objects.filter(state=DeadLetterState.OPEN))


def recent_states(*, now: datetime, within: timedelta) -> tuple[Mapping[RunState, int], bool]:
    """This will count the latest runs started within a time by state; True: there are more than that."""
    latest = Run.objects.filter(id__gte=since(now - within), is_dry=False).order_by("-id")
    states = list(latest.values_list("state", flat=True)[: _COUNT_CAP + 1])
    counts = Counter(RunState(state) for state in states[:_COUNT_CAP])
    return {state: counts[state] for state in RunState}, len(states) > _COUNT_CAP


def runs_per_hour(*, now: datetime, hours: int = 24) -> Sequence[Hour]:
    """This will count the runs of the last hours, oldest first; the last one is the current hour so far."""
    current = now.replace(minute=0, second=0, microsecond=0)
    begins = [current - timedelta(hours=back) for back in reversed(range(hours))]
    return [
        Hour(
            begins_at=begin,
            started=_within(Run.objects.filter(is_dry=False), begin),
            failed=_within(Run.objects.filter(state=RunState.FAILED, is_dry=False), begin),
        )
        for begin in begins
    ]


def lanes() -> Sequence[Lane]:
    """This will give what the lanes have to do, by name, from the oldest activations."""
    oldest = Activation.objects.order_by("id").values("id")[:_ACTIVATIONS_CAP]
    ready = Q(state=ActivationState.READY)
    rows = (
        Activation.objects.filter(id__in=oldest)
        .values("lane")
        .annotate(
            ready=Count("id", filter=ready),
            leased=Count("id", filter=Q(state=ActivationState.LEASED)),
            waiting=Count("id", filter=Q(state=ActivationState.WAITING)),
            oldest_id=Min("id", filter=ready),
        )
        .order_by("lane")
    )
    found = Activation.objects.in_bulk([row["oldest_id"] for row in rows if row["oldest_id"] is not None])
    return [_lane(row, oldest=found.get(row["oldest_id"])) for row in rows]


def failing_workflows(*, now: datetime, within: timedelta, limit: int = 6) -> Sequence[Failing]:
    """This will give the workflows with the most failed runs among those started within a time."""
    ids: dict[str, list[UUID]] = {}
    for run_id, name in _failed(after=now - within).values_list("id", "workflow_name")[:_FAILURES_CAP]:
        ids.setdefault(name, []).append(run_id)
    is_capped = sum(len(found) for found in ids.values()) == _FAILURES_CAP
    worst = sorted(ids, key=lambda name: (-len(ids[name]), name))[:limit]
    latest = Run.objects.only("error", "ended_at", "created_at").in_bulk([ids[name][0] for name in worst])
    return [
        Failing(
            workflow_name=name,
            failed=Tally(len(ids[name]), is_capped=is_capped),
            run_id=run.id,
            error=run.error or {},
            failed_at=run.ended_at or run.created_at,
        )
        for name in worst
        if (run := latest.get(ids[name][0])) is not None
    ]


def with_recent_runs(workflows: QuerySet[Workflow], *, now: datetime) -> QuerySet[Workflow]:
    """This will add `recent_states` (of the latest runs; "" when older than 24 hours) and `latest_run` to workflows."""
    runs = Run.objects.filter(workflow_name=OuterRef("name"), is_dry=False).order_by("-id")
    # A condition on the id would lead the planner to read all runs of the day instead of those of the workflow.
    is_recent = When(id__gte=since(now - timedelta(hours=24)), then=F("state"))
    recent = runs.values(recent=Case(is_recent, default=Value("")))[:RUNS_PER_WORKFLOW_CAP]
    latest = runs.values(row=JSONObject(id=F("id"), state=F("state"), created_at=F("created_at")))[:1]
    return workflows.annotate(recent_states=ArraySubquery(recent), latest_run=ArraySubquery(latest))


def count_states(states: Iterable[str]) -> Sequence[tuple[RunState, int]]:
    """This will count states in the order of `RunState`, without those that do not occur."""
    counts = Counter(state for state in states if state)
    return [(state, counts[state]) for state in RunState if counts[state]]


def _failed(*, after: datetime) -> QuerySet[Run]:
    return Run.objects.filter(state=RunState.FAILED, is_dry=False, id__gte=since(after)).order_by("-id")


def _within(runs: QuerySet[Run], begin: datetime) -> Tally:
    end = begin + timedelta(hours=1)
    return _tally(runs.filter(id__gte=since(begin), id__lt=since(end)), cap=RUNS_PER_HOUR_CAP)


def _tally(rows: QuerySet[Run] | QuerySet[DeadLetter], *, cap: int = _COUNT_CAP) -> Tally:
    number = rows.order_by()[: cap + 1].count()
    return Tally(min(number, cap), is_capped=number > cap)


def _lane(row: Mapping[str, object], *, oldest: Activation | None) -> Lane:
    return Lane(
        name=str(row["lane"]),
        ready=int(str(row["ready"])),
        leased=int(str(row["leased"])),
        waiting=int(str(row["waiting"])),
        oldest_ready_at=None if oldest is None else oldest.created_at,
        oldest_run_id=None if oldest is None else oldest.run_id,
    )
