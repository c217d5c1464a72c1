"""Decides which versions starts get: gives a share to a canary, promotes it, takes it back, or chooses a version.

Each change is a new row that the workflow points to, so that whoever starts runs sees by its id that something has
changed. The workflow is locked; starts are not held up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from workflows import queries, releases, triggers
from workflows.core.canary import Rule, is_to_be_rolled_back
from workflows.core.release_causes import ReleaseCause
from workflows.errors import UnknownWorkflow
from workflows.models import Release, Workflow
from workflows.operations.incidents import ENGINE
from workflows.release_errors import CanaryInvalid, NoCanary

log = structlog.get_logger(__name__)
MAX_AFTER_RUNS = 100_000
_EVENTS: Mapping[ReleaseCause, EventKind] = {
    ReleaseCause.CANARY_BEGUN: EventKind.CANARY_BEGUN,
    ReleaseCause.CANARY_CHANGED: EventKind.CANARY_CHANGED,
    ReleaseCause.PROMOTED: EventKind.CANARY_PROMOTED,
    ReleaseCause.ROLLED_BACK: EventKind.CANARY_ROLLED_BACK,
    ReleaseCause.CHOSEN: EventKind.VERSION_CHOSEN,
}


@dataclass(frozen=True, slots=True)
class Canary:
    """The share of starts, in percent, that a version gets on trial, and when it is taken back by itself."""

    percent: float
    rule: Rule | None = None


def check(canary: Canary) -> None:
    """This will judge a share and its rule. Raises CanaryInvalid."""
    if not 0 <= canary.percent <= 100:
        raise CanaryInvalid(field="percent", problem=f"must be 0 to 100, not {canary.percent:g}")
    if canary.rule is None:
        return
    if not 0 < canary.rule.failed_percent <= 100:
        raise CanaryInvalid(
            field="failed_percent", problem=f"must be more than 0, at most 100, not {canary.rule.failed_percent:g}"
        )
    if not 1 <= canary.rule.after_runs <= MAX_AFTER_RUNS:
        raise CanaryInvalid(field="after_runs", problem=f"must be 1 to {MAX_AFTER_RUNS}, not {canary.rule.after_runs}")


def set_canary(*, workflow: str, canary: Canary, actor: Actor, now: datetime, version: int | None = None) -> Release:
    """This will give a share of the starts to a version, or change the share of the one that is on trial.

    Without a `version` it is the one on trial, else the newest. Saying the same twice changes nothing the second time.
    Raises UnknownWorkflow, UnknownVersion, CanaryInvalid.
    """
    check(canary)
    with transaction.atomic():
        locked = lock(workflow)
        before = _current(locked)
        number = version
        if number is None:
            number = locked.latest_number if before.canary is None else before.canary.number
        chosen = queries.get_version(workflow=locked, number=number)
        if chosen.id == before.version_id:
            raise CanaryInvalid(field="version", problem=f"{chosen} is in use already: name another one, or publish it")
        is_same = before.canary_id == chosen.id
        wanted = Release(
            version=before.version,
            canary=chosen,
            canary_percent=canary.percent,
            canary_since=before.canary_since if is_same else now,
            failed_percent=None if canary.rule is None else canary.rule.failed_percent,
            after_runs=None if canary.rule is None else canary.rule.after_runs,
            cause=ReleaseCause.CANARY_CHANGED if is_same else ReleaseCause.CANARY_BEGUN,
        )
        if is_same and _terms(wanted) == _terms(before):
            return before
        return put(wanted, workflow=locked, actor=actor, now=now)


def promote(*, workflow: str, actor: Actor, now: datetime, version: int | None = None, reason: str = "") -> Release:
    """This will have all starts get the canary, or `version`, which may be an earlier one; a canary is over then.

    What `on` says there counts from now on. A version that is in use already stays so, and nothing changes. Raises
    UnknownWorkflow, UnknownVersion, NoCanary.
    """
    with transaction.atomic():
        locked = lock(workflow)
        before = _current(locked)
        if version is None:
            chosen = before.canary
            if chosen is None:
                raise NoCanary(workflow=workflow, hint="say the version that all starts shall get")
        else:
            chosen = queries.get_version(workflow=locked, number=version)
        if chosen.id == before.version_id and before.canary_id is None:
            return before
        cause = ReleaseCause.PROMOTED if chosen.id == before.canary_id else ReleaseCause.CHOSEN
        after = put(Release(version=chosen, cause=cause, reason=reason), workflow=locked, actor=actor, now=now)
        triggers.published(chosen.document, workflow=workflow, actor=actor, now=now)
        return after


def roll_back(*, workflow: str, actor: Actor, now: datetime, reason: str = "") -> Release:
    """This will take the canary back: all starts get the version in use. Its runs that are under way go on.

    Raises UnknownWorkflow, NoCanary.
    """
    with transaction.atomic():
        locked = lock(workflow)
        before = _current(locked)
        if before.canary is None:
            raise NoCanary(workflow=workflow, hint="to go back to an earlier version, promote that one")
        after = Release(version=before.version, cause=ReleaseCause.ROLLED_BACK, reason=reason)
        return put(after, workflow=locked, actor=actor, now=now)


def sweep(*, now: datetime) -> int:
    """This will roll back the canaries that fail as often as their rule allows; gives how many."""
    return sum(_judge(release, now=now) for release in releases.watched())


def lock(name: str) -> Workflow:
    """This will lock a workflow. Raises UnknownWorkflow."""
    workflow = Workflow.objects.select_for_update().filter(name=name).first()
    if workflow is None:
        raise UnknownWorkflow(name)
    return workflow


def put(after: Release, *, workflow: Workflow, actor: Actor, now: datetime) -> Release:
    """This will put a release into use, and record it; the workflow is locked."""
    before = releases.find_current(workflow)
    after.workflow, after.began_at, after.began_by = workflow, now, str(actor)
    after.save(force_insert=True)
    workflow.release, workflow.description = after, str(after.version.document.get("description") or "")
    workflow.save(update_fields=["release", "description"])
    kind = _EVENTS.get(ReleaseCause(after.cause))
    if kind is not None:
        payload = {**_told(after), "before": {} if before is None else _told(before), "reason": after.reason}
        audit.record(
            Event(
                kind=kind,
                actor=actor,
                subject_type="workflow",
                subject_id=workflow.name,
                correlation_id="",
                at=now,
                payload=payload,
            )
        )
    return after


def _judge(release: Release, *, now: datetime) -> bool:
    """Roll back what deserves it, unless somebody else has changed the release meanwhile."""
    rule = releases.rule_of(release)
    figures = None if rule is None else releases.ends_of_canary(release, rule=rule)
    if figures is None or not is_to_be_rolled_back(rule, canary=figures):
        return False
    reason = f"{figures.failed} of {figures.runs} runs failed: {figures.failed_percent:.1f} %"
    name = release.version.workflow.name
    with transaction.atomic():
        if lock(name).release_id != release.id:
            return False
        roll_back(workflow=name, actor=ENGINE, now=now, reason=reason)
    log.warning("canary_rolled_back", workflow=name, reason=reason)
    return True


def _current(workflow: Workflow) -> Release:
    current = releases.find_current(workflow)
    if current is None:
        raise UnknownWorkflow(workflow.name)
    return current


def _terms(release: Release) -> tuple[object, ...]:
    return (release.canary_percent, release.failed_percent, release.after_runs)


def _told(release: Release) -> Mapping[str, object]:
    """The trail has no floating-point numbers."""
    told: dict[str, object] = {"version": release.version.number}
    if release.canary is not None:
        told |= {"canary": release.canary.number, "percent": f"{release.canary_percent:g}"}
    if release.failed_percent is not None:
        told |= {"failed_percent": f"{release.failed_percent:g}", "after_runs": release.after_runs}
    return told
