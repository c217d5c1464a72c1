"""Reads of pauses: which of them keeps something waiting, and whose deadlines they hold; it changes nothing."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q, QuerySet

from workflows import pause_store
from workflows.core.definition import StepDefinition
from workflows.core.pausing import PauseRule, PauseScope, Standpoint, find_cover
from workflows.core.states import WaitReason
from workflows.models import Activation, Run


def find_for(
    activation: Activation, *, workflow: str, created_at: datetime, step: StepDefinition, rules: Sequence[PauseRule]
) -> PauseRule | None:
    """This will give the pause that keeps an activation waiting: it is set aside, or will be when a worker takes it."""
    reason = WaitReason(activation.wait_reason)
    if reason not in (WaitReason.PAUSED, WaitReason.WORKER) or not rules:
        return None
    named = [rule for rule in rules if rule.key == activation.wait_object]
    at = Standpoint(
        run_id=str(activation.run_id),
        workflow=workflow,
        lane=activation.lane,
        connection=step.connection,
        created_at=created_at,
    )
    return named[0] if named else find_cover(rules, at=at)


def unheld(runs: QuerySet[Run]) -> QuerySet[Run]:
    """This will leave out runs whose deadlines are held by a pause."""
    for rule in pause_store.in_force():
        if rule.holds_deadlines:
            runs = runs.exclude(whole_runs(rule))
    return runs


def whole_runs(rule: PauseRule) -> Q:
    """This will select the runs that stand still under a pause of a run, a workflow or the platform."""
    named = {PauseScope.RUN: Q(id=rule.name), PauseScope.WORKFLOW: Q(workflow_name=rule.name)}
    covered = named.get(rule.scope, Q(id__isnull=False))
    return covered & Q(created_at__gte=rule.paused_at) if rule.starts_only else covered
