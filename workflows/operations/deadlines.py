"""Deadlines of runs: how long a run has, from its rule or from history, and what is said when that is over."""

from datetime import datetime

from audit import operations as audit
from audit.events import Event, EventKind
from integrations.notifications.contract import Message
from integrations.notifications.outbox import notify
from workflows.core.deadlines import DeadlineRule
from workflows.core.states import RunState
from workflows.models import Run
from workflows.operations.incidents import ENGINE

_LOOK_AT = 10


def length_s(rule: DeadlineRule | None, *, workflow: str) -> float | None:
    """This will give how long a run may take that begins now; only a rule by history looks at the database.

    It reads a bounded piece of the latest runs, so that a workflow that never succeeds costs no more.
    """
    if rule is None or rule.after_s is not None:
        return None if rule is None else rule.after_s
    latest = Run.objects.filter(workflow_name=workflow, is_dry=False).order_by("-id")
    rows = latest.values_list("state", "created_at", "ended_at")[: rule.of * _LOOK_AT]
    history_s = [
        (ended_at - created_at).total_seconds()
        for state, created_at, ended_at in rows
        if state == RunState.SUCCEEDED and ended_at is not None
    ]
    return rule.length_s(history_s)


def miss(run: Run, *, rule: DeadlineRule, now: datetime) -> None:
    """This will note, once, that a run which goes on has missed its deadline, and tell; the run is locked."""
    assert run.deadline_at is not None, "it has passed"
    Run.objects.filter(id=run.id).update(deadline_at=None, deadline_missed_at=run.deadline_at)
    audit.record(
        Event(
            kind=EventKind.RUN_DEADLINE_MISSED,
            actor=ENGINE,
            subject_type="run",
            subject_id=str(run.id),
            correlation_id=run.correlation_id,
            at=now,
            payload={"workflow": run.workflow_name, "deadline_at": run.deadline_at.isoformat()},
        )
    )
    tell(run, rule=rule, now=now)


def tell(run: Run, *, rule: DeadlineRule, now: datetime) -> None:
    """This will tell those whom the rule names, in the transaction that acts on the deadline; nobody of a dry run."""
    if run.is_dry:
        return
    assert run.deadline_at is not None, "it has passed"
    messages = [
        Message(
            channel=one.channel,
            recipient=one.recipient,
            subject=f"{run.workflow_name} is past its deadline",
            text=f"The run {run.id} of {run.workflow_name}, begun {run.created_at.isoformat()}, has not ended before "
            f"its deadline {run.deadline_at.isoformat()}. Action: {rule.action}.\n"
            f"[[page:/admin/workflows/run/{run.id}/change/]]",
            key=f"deadline:{run.id}:{run.round}:{number}",
            data={"workflow": run.workflow_name, "deadline_at": run.deadline_at.isoformat(), "action": rule.action},
            about=str(run.id),
            correlation_id=run.correlation_id,
        )
        for number, one in enumerate(rule.told)
    ]
    notify(messages, now=now)
