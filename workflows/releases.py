"""Reads of releases: which versions starts get, and the figures of both beside each other; it changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from workflows.core import identity
from workflows.core.canary import Figures, Rule, figures_of, may_be_rolled_back
from workflows.core.states import RunState
from workflows.models import Release, Run, Workflow, WorkflowVersion

RUNS_COUNTED = 10_000
"""Figures are those of at most so many of a version's latest runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A canary beside the version in use: both with the figures of their runs `since` it began.

    `is_cut`: of one of them there are more than `RUNS_COUNTED`.
    """

    release: Release
    since: datetime
    stable: Figures
    canary: Figures
    is_cut: bool


def find_current(workflow: Workflow) -> Release | None:
    """This will give the release of a workflow with its versions; None: nothing is published."""
    with_versions = Release.objects.select_related("version__workflow", "canary__workflow")
    return None if workflow.release_id is None else with_versions.get(id=workflow.release_id)


def history_of(workflow: Workflow) -> QuerySet[Release]:
    """This will select the releases of a workflow, the newest first."""
    return workflow.releases.select_related("version__workflow", "canary__workflow").order_by("-id")


def rule_of(release: Release) -> Rule | None:
    """This will give when the canary of a release is rolled back by itself, if that was said."""
    if release.failed_percent is None or release.after_runs is None:
        return None
    return Rule(failed_percent=release.failed_percent, after_runs=release.after_runs)


def trial_of(release: Release) -> Trial | None:
    """This will give the figures of a canary and of the version in use; None: no canary is under way."""
    if release.canary_id is None or release.canary_since is None:
        return None
    since = release.canary_since
    name = release.version.workflow.name
    stable, is_stable_cut = _figures(name, version_id=release.version_id, since=since)
    canary, is_canary_cut = _figures(name, version_id=release.canary_id, since=since)
    return Trial(release=release, since=since, stable=stable, canary=canary, is_cut=is_stable_cut or is_canary_cut)


def ends_of_canary(release: Release, *, rule: Rule) -> Figures | None:
    """This will count how the runs of a canary have ended; None: too few have failed for the rule to say anything.

    It is asked every second: as long as little fails it reads the failures alone, which have an index.
    """
    if release.canary_id is None or release.canary_since is None:
        return None
    runs = _runs(release.version.workflow.name, version_id=release.canary_id, since=release.canary_since)
    failed = runs.filter(state=RunState.FAILED).count()
    if not may_be_rolled_back(rule, failed=failed):
        return None
    succeeded = runs.filter(state=RunState.SUCCEEDED).count()
    return Figures(runs=failed + succeeded, failed=failed, succeeded=succeeded)


def sentence(release: Release) -> str:
    """This will say in words what starts get."""
    name, version = release.version.workflow.name, release.version.number
    if release.canary is None:
        return f"{name}: all starts get v{version}"
    text = f"{name}: {release.canary_percent:g} % of the starts get v{release.canary.number}, the others v{version}"
    rule = rule_of(release)
    if rule is None:
        return text
    return f"{text}; rolled back when {rule.failed_percent:g} % of at least {rule.after_runs} ended runs have failed"


def watched() -> Sequence[Release]:
    """This will give the releases in use whose canaries have a rule."""
    in_use = Release.objects.filter(Exists(Workflow.objects.filter(release_id=OuterRef("id"))))
    return list(in_use.filter(failed_percent__isnull=False, canary__isnull=False).select_related("version__workflow"))


def is_behind(*, workflow: str, number: int) -> bool:
    """This will tell whether a version is older than the one that starts get."""
    return Workflow.objects.filter(name=workflow, release__version__number__gt=number).exists()


def versions_in_use() -> QuerySet[WorkflowVersion]:
    """This will select the versions that starts may get, canaries among them."""
    gives = Q(release__version_id=OuterRef("id")) | Q(release__canary_id=OuterRef("id"))
    return WorkflowVersion.objects.filter(Exists(Workflow.objects.filter(gives)))


def _figures(workflow: str, *, version_id: int, since: datetime) -> tuple[Figures, bool]:
    runs = _runs(workflow, version_id=version_id, since=since).order_by("-id")
    rows = list(runs.values_list("state", "created_at", "ended_at")[: RUNS_COUNTED + 1])
    return figures_of(rows[:RUNS_COUNTED]), len(rows) > RUNS_COUNTED


def _runs(workflow: str, *, version_id: int, since: datetime) -> QuerySet[Run]:
    """Ids are ordered by time. Dry runs prove nothing."""
    earliest = identity.run_id(unix_ms=int(since.timestamp() * 1000), random_bytes=bytes(10))
    return Run.objects.filter(workflow_name=workflow, version_id=version_id, is_dry=False, id__gte=earliest)
