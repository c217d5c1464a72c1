"""Readings of what may be wrong with the engine's work: what is late, what nobody can do; they change nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Count, F, Min, Q, When

from workflows import registry, releases
from workflows.core.states import ActivationState, RunState, WaitReason
from workflows.models import Activation, GrownPlan, Run, WorkflowVersion

_LONGEST = timedelta(hours=1)
"""How far ahead the next wake-up of what was dispatched may lie; what is due later has a time of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits in a lane for a worker: how many segments, and since when the oldest does.

    One that has been dispatched once is on its way. One that nobody answered counts from when it became ready.
    """

    lane: str
    ready: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A limit with who waits for it; `oldest_at`: since when at most the first of them does."""

    limit: str
    waiting: int
    oldest_at: datetime | None


def backlogs(*, now: datetime) -> Sequence[Backlog]:
    """This will give what waits in each lane, by name; a lane in which nothing is ready is left out.

    What a pause holds waits for a person, and what has a time of its own is not late before it.
    """
    now_ready = Activation.objects.filter(state=ActivationState.READY, wait_reason=WaitReason.WORKER)
    since = Case(When(dispatches=0, then=F("due_at")), When(dispatches__gt=1, then=F("created_at")))
    rows = now_ready.filter(due_at__lte=now + _LONGEST).values("lane")
    rows = rows.annotate(ready=Count("id"), oldest_at=Min(since)).order_by("lane")
    return [Backlog(lane=row["lane"], ready=row["ready"], oldest_at=row["oldest_at"]) for row in rows]


def leases_run_out(*, now: datetime, longer_than: timedelta) -> int:
    """This will count the leases that ran out longer ago than that and that nobody took back."""
    return Activation.objects.filter(state=ActivationState.LEASED, due_at__lt=now - longer_than).count()


def lines() -> Sequence[Line]:
    """This will give the lines in front of limits, by name; a limit nobody waits for has none."""
    rows = (
        Activation.objects.filter(wait_reason=WaitReason.LIMIT)
        .values("wait_object")
        .annotate(waiting=Count("id"), oldest_at=Min("created_at"))
    )
    return [
        Line(limit=row["wait_object"], waiting=row["waiting"], oldest_at=row["oldest_at"])
        for row in rows.order_by("wait_object")
    ]


def unknown_functions() -> Mapping[str, Sequence[str]]:
    """This will give Python functions that this release does not know, each with the versions that call it.

    Looked at are the versions that starts get and those that runs are on, or have grown.
    """
    newest = Q(id__in=releases.versions_in_use(), workflow__is_enabled=True)
    used = Run.objects.filter(state=RunState.RUNNING).values("version_id").distinct()
    versions = WorkflowVersion.objects.filter(newest | Q(id__in=used)).select_related("workflow")
    found: dict[str, list[str]] = {}
    for version in versions.order_by("workflow__name", "number"):
        for name in sorted(_called(version.document) - registry.names()):
            found.setdefault(name, []).append(str(version))
    grown = Run.objects.filter(state=RunState.RUNNING, grown_id__isnull=False).values("grown_id")
    for plan in GrownPlan.objects.filter(id__in=grown).order_by("id"):
        for name in sorted(_called(plan.document) - registry.names()):
            found.setdefault(name, []).append(str(plan))
    return found


def _called(document: object) -> set[str]:
    """The functions that a definition calls, in its steps, its `finally` and its undos."""
    if isinstance(document, list):
        return {name for item in document for name in _called(item)}
    if not isinstance(document, dict):
        return set()
    inside = {name for item in document.values() for name in _called(item)}
    given = document.get("with")
    if document.get("uses") == "python" and isinstance(given, dict) and isinstance(given.get("call"), str):
        inside.add(given["call"])
    return inside
