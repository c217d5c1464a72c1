"""Pauses and resumes: a run, a workflow, a connection, a lane, or everything; work stops between two steps.

A pause is a row; workers see it in the statement that gives them their next step. What it keeps waiting is set aside
by whoever meets it, and given back by whoever resumes, or by the sweep: so nothing waits for a pause that is over.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from integrations import queries as integrations
from workflows import pause_store, pauses
from workflows.core.pausing import PauseScope, key_of
from workflows.core.states import RunState
from workflows.errors import NotPaused, PauseInvalid, RunEnded, UnknownRun, UnknownWorkflow
from workflows.models import Pause, PauseEpoch, Run, Workflow
from workflows.operations import timings
from workflows.operations.incidents import ENGINE
from workflows.operations.patience import patiently

AT_ONCE = 5_000
_ACKNOWLEDGE_S = 2.0
_POLL_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseWanted:
    """What shall be paused and why. `starts_only`: only runs that begin from now on.

    `holds_deadlines`: deadlines of the runs that stand still are moved by as long as the pause lasts; else they go on.
    """

    scope: PauseScope
    name: str = ""
    reason: str
    starts_only: bool = False
    holds_deadlines: bool = False


def pause(wanted: PauseWanted, *, actor: Actor, now: datetime) -> tuple[Pause, bool]:
    """This will let no further step begin; steps under way end. Gives the pause and whether it is new.

    When it returns, whatever was judged by the pauses as they were before has been committed. Pausing again changes
    nothing. Raises PauseInvalid, UnknownRun, RunEnded, UnknownWorkflow.
    """
    check(wanted)
    with transaction.atomic():
        row, is_new = Pause.objects.get_or_create(
            scope=wanted.scope,
            name=wanted.name,
            defaults={
                "reason": wanted.reason.strip(),
                "paused_by": str(actor),
                "paused_at": now,
                "starts_only": wanted.starts_only,
                "holds_deadlines": wanted.holds_deadlines,
            },
        )
        if not is_new:
            return row, False
        PauseEpoch.objects.filter(id=1).update(number=F("number") + 1)
        audit.record(
            _event(
                EventKind.PAUSE_BEGUN,
                pause=row,
                actor=actor,
                now=now,
                reason=row.reason,
                starts_only=row.starts_only,
                holds_deadlines=row.holds_deadlines,
            )
        )
    if not transaction.get_connection().in_atomic_block:
        _wait_for_older_work()
    return row, True


def resume(*, scope: PauseScope, name: str = "", actor: Actor, now: datetime, reason: str = "") -> int:
    """This will end a pause and make due what waits for its end; gives how much. Raises NotPaused, RunBusy.

    All of it goes through the dispatcher, at its pace. What is left of a large number is given back by the sweep.
    """
    return patiently(lambda: _resume(scope, name=name, actor=actor, now=now, reason=reason))


def sweep(*, now: datetime) -> int:
    """This will give back what waits for a pause that is over, and end pauses of runs that have ended."""
    runs = Pause.objects.filter(scope=PauseScope.RUN)
    names = [UUID(name) for name in runs.values_list("name", flat=True)]
    if names:
        open_runs = Run.objects.filter(id__in=names, state=RunState.RUNNING).values_list("id", flat=True)
        for name in set(names) - set(open_runs):
            _end_of_ended(name, now=now)
    return pause_store.give_back(kept=[rule.key for rule in pause_store.in_force()], limit=AT_ONCE)


def _resume(scope: PauseScope, *, name: str, actor: Actor, now: datetime, reason: str) -> int:
    row = Pause.objects.select_for_update().filter(scope=scope, name=name).first()
    if row is None:
        raise NotPaused(key_of(scope, name=name))
    _end(row, actor=actor, now=now, reason=reason)
    return pause_store.give_back(kept=[rule.key for rule in pause_store.in_force()], limit=AT_ONCE)


def _end_of_ended(run_id: UUID, *, now: datetime) -> None:
    with transaction.atomic():
        row = Pause.objects.select_for_update(skip_locked=True).filter(scope=PauseScope.RUN, name=str(run_id)).first()
        if row is not None:
            _end(row, actor=ENGINE, now=now, reason="the run has ended")


def _end(row: Pause, *, actor: Actor, now: datetime, reason: str) -> None:
    ended = pause_store.rule_of(row)
    if row.holds_deadlines:
        _move_deadlines(row, now=now)
    others = [rule for rule in pause_store.in_force() if rule.key != ended.key]
    timings.go_on(ended, others=others, now=now)
    event = _event(EventKind.PAUSE_ENDED, pause=row, actor=actor, now=now, reason=reason)
    row.delete()
    PauseEpoch.objects.filter(id=1).update(number=F("number") + 1)
    audit.record(event)


def _move_deadlines(row: Pause, *, now: datetime) -> None:
    """By as long as each run stood still: since the pause, or since it began."""
    runs = Run.objects.filter(pauses.whole_runs(pause_store.rule_of(row)), state=RunState.RUNNING)
    runs.filter(deadline_at__isnull=False).update(
        deadline_at=F("deadline_at") + (Value(now) - Greatest(Value(row.paused_at), F("created_at")))
    )


def _wait_for_older_work() -> None:
    """Who judged by the pauses as they were before is in the middle of one short transaction: let it end."""
    since = pause_store.clock()
    give_up_at = time.monotonic() + _ACKNOWLEDGE_S
    while pause_store.has_older_work(since=since) and time.monotonic() < give_up_at:
        time.sleep(_POLL_S)


def check(wanted: PauseWanted) -> None:
    """This will refuse what cannot be paused. Raises PauseInvalid, UnknownRun, RunEnded, UnknownWorkflow."""
    if not wanted.reason.strip():
        raise PauseInvalid(field="reason", problem="is missing: say why, it is shown on everything that waits")
    if len(wanted.reason) > 500:
        raise PauseInvalid(field="reason", problem="is longer than 500 characters")
    if wanted.starts_only and wanted.scope is PauseScope.RUN:
        raise PauseInvalid(field="starts_only", problem="does not go with a run, which has begun: leave it out")
    if wanted.holds_deadlines and not wanted.scope.may_hold_deadlines:
        raise PauseInvalid(field="holds_deadlines", problem="goes with a run, a workflow or the platform only")
    if (wanted.scope is PauseScope.PLATFORM) == bool(wanted.name):
        problem = "must be empty for the platform" if wanted.name else f"is missing: which {wanted.scope}?"
        raise PauseInvalid(field="name", problem=problem)
    _check_exists(wanted)


def _check_exists(wanted: PauseWanted) -> None:
    match wanted.scope:
        case PauseScope.RUN:
            _check_run(wanted.name)
        case PauseScope.WORKFLOW if not Workflow.objects.filter(name=wanted.name).exists():
            raise UnknownWorkflow(wanted.name)
        case PauseScope.LANE if wanted.name not in settings.LANES:
            raise PauseInvalid(field="name", problem=f"is no lane: there are {', '.join(settings.LANES)}")
        case PauseScope.CONNECTION if integrations.find_connection(wanted.name) is None:
            raise PauseInvalid(field="name", problem=f"{wanted.name!r} is no connection")
        case _:
            pass


def _check_run(name: str) -> None:
    try:
        run_id = UUID(name)
    except ValueError as error:
        raise PauseInvalid(field="name", problem=f"{name!r} is no id of a run") from error
    state = Run.objects.filter(id=run_id).values_list("state", flat=True).first()
    if state is None:
        raise UnknownRun(run_id)
    if state != RunState.RUNNING:
        raise RunEnded(run_id=run_id, state=state)


def _event(kind: EventKind, *, pause: Pause, actor: Actor, now: datetime, **payload: object) -> Event:
    return Event(
        kind=kind,
        actor=actor,
        subject_type=pause.scope,
        subject_id=pause.name or pause.scope,
        correlation_id="",
        at=now,
        payload=payload,
    )
