"""Ends steps that have not begun or ended in the time they have from when they are ready, with or without a worker.

A worker judges what it is given before it begins; a sweep of the scheduler ends what no worker has, or what is in the
hands of one that does not end it. Both end it like a last failed attempt. See docs/adr/0022-times-from-ready.md.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from workflows import pause_store, plans, store
from workflows.core import progress
from workflows.core.allowances import Latest, Overrun, overrun
from workflows.core.definition import StepDefinition
from workflows.core.outcome import Failed
from workflows.core.pausing import find_cover
from workflows.core.states import ActivationState, FailureKind, Notice, RunState, StepState, WaitReason
from workflows.execution import frontier, losses
from workflows.execution.cursor import Cursor, open_cursor
from workflows.execution.ends import StepEnd
from workflows.execution.leases import owner_name
from workflows.models import Activation, Run
from workflows.operations import limits, subjects, timings
from workflows.operations.incidents import ENGINE
from workflows.operations.subjects import Cause
from workflows.store import ActivationRef

log = structlog.get_logger(__name__)
GRACE_S = 2.0
"""A worker that is alive ends its attempt by itself when the time is over; so long it is left to."""
_AT_ONCE = 200


def judge(cursor: Cursor, *, now: datetime) -> Overrun | None:
    """This will say which time of the step is over that a worker was given, if any."""
    has_begun = cursor.claim.was_lost or cursor.attempt > 1 or cursor.begun_at is not None
    return overrun(cursor.latest, has_begun=has_begun, now=now)


def end(cursor: Cursor, *, which: Overrun, now: datetime) -> Sequence[Cursor]:
    """This will end a step whose time is over as failed, for good; gives the cursors to go on with."""
    if cursor.step.uses not in cursor.program.subjects:
        return _end(cursor, which=which, now=now)
    with transaction.atomic():
        Run.objects.select_for_update().filter(id=cursor.claim.run_id).first()
        _close_subject(cursor.step, run_id=cursor.claim.run_id, now=now)
        return _end(cursor, which=which, now=now)


def _close_subject(step: StepDefinition, *, run_id: UUID, now: datetime) -> None:
    """What it waits for is not wanted any more; before its activation is locked: whoever answers goes the same way."""
    subjects.close_step(
        step.uses, run_id=run_id, step=step.id, index=None, cause=Cause.TIMED_OUT, actor=ENGINE, now=now
    )


def _end(cursor: Cursor, *, which: Overrun, now: datetime) -> Sequence[Cursor]:
    allowance = cursor.step.allowance
    length_s = allowance.schedule_to_start_s if which is Overrun.START else allowance.schedule_to_close_s
    verb = "begin" if which is Overrun.START else "end"
    failure = Failed(
        kind=FailureKind.TIMEOUT,
        message=f"did not {verb} within its {which} of {length_s or 0.0:g} s",
        is_repeatable=False,
        payload=losses.inputs_of_lost(cursor),
    )
    position = cursor.position
    follow = progress.follow(cursor.program.plan, segment=cursor.segment, position=position, state=StepState.FAILED)
    return frontier.end_step(
        StepEnd(
            cursor=cursor,
            state=StepState.FAILED,
            output=None,
            output_text=None,
            failure=failure,
            follow=follow,
            ended_at=now,
            has_begun=which is not Overrun.START,
        )
    )


def sweep(*, now: datetime) -> int:
    """This will end what is overdue and no worker ends; gives how many. Safe beside others."""
    ended = [str(run_id) for activation_id, run_id in list(_overdue(now)) if _end_overdue(activation_id, run_id, now)]
    if ended:
        log.warning("steps_overdue", runs=ended)
    return len(ended)


def _overdue(now: datetime) -> Iterator[tuple[int, UUID]]:
    """What is overdue; where a pause keeps a step from beginning, its time stands still."""
    rules = pause_store.in_force()
    rows = Activation.objects.filter(_is_overdue(now)).exclude(wait_reason=WaitReason.PAUSED).order_by("id")
    found = 0
    for row in rows.select_related("run").iterator():
        if row.state != ActivationState.LEASED and find_cover(rules, at=timings.standpoint(row)) is not None:
            continue
        yield row.id, row.run_id
        found += 1
        if found == _AT_ONCE:
            return


def _is_overdue(now: datetime) -> Q:
    in_hand = Q(state=ActivationState.LEASED)
    is_new = Q(attempt=1, begun_at__isnull=True, owner="") & ~in_hand
    is_alive = in_hand & Q(due_at__gt=now, latest_end_at__gt=now - timedelta(seconds=GRACE_S))
    too_late = (Q(latest_start_at__lte=now) & is_new) | (Q(latest_end_at__lte=now) & ~is_alive)
    return too_late & Q(notice=Notice.NONE)


def _end_overdue(activation_id: int, run_id: UUID, now: datetime) -> bool:
    """End one, unless somebody is at it: the run is locked first, as where steps meet; nothing is waited for."""
    with transaction.atomic():
        run = Run.objects.select_for_update(skip_locked=True).filter(id=run_id, state=RunState.RUNNING).first()
        if run is None:
            return False
        if not _take(activation_id, run=run, now=now):
            transaction.set_rollback(True)
            return False
    return True


def _take(activation_id: int, *, run: Run, now: datetime) -> bool:
    program = plans.program_of(run.program_id)
    seen = Activation.objects.filter(id=activation_id).first()
    if seen is None:
        return False
    step = program.plan.step_at(segment=seen.segment, position=seen.position)
    if step.uses in program.subjects:
        _close_subject(step, run_id=run.id, now=now)
    locked = Activation.objects.select_for_update(skip_locked=True).filter(_is_overdue(now), id=activation_id)
    row = locked.exclude(wait_reason=WaitReason.PAUSED).first()
    which = None if row is None else _which(row, now=now)
    if row is None or which is None:
        return False
    made = max(row.attempt - (row.wait_reason == WaitReason.RETRY), 1)
    Activation.objects.filter(id=row.id).update(
        state=ActivationState.READY, wait_reason=WaitReason.WORKER, owner="", attempt=made, due_at=Now()
    )
    _end_taken(ActivationRef(row.run_id, row.segment, row.slot), which=which, now=now)
    if step.limits:
        transaction.on_commit(partial(limits.wake, step.limits))
    return True


def _which(row: Activation, *, now: datetime) -> Overrun | None:
    has_begun = row.state == ActivationState.LEASED or row.owner != "" or row.attempt > 1 or row.begun_at is not None
    return overrun(Latest(start_at=row.latest_start_at, end_at=row.latest_end_at), has_begun=has_begun, now=now)


def _end_taken(ref: ActivationRef, *, which: Overrun, now: datetime) -> None:
    """End it under a lease of our own, and leave what follows to the workers."""
    for claim in store.claim(refs=[ref], owner=owner_name(), lease_s=settings.LEASE_S):
        cursor = open_cursor(claim, program=plans.program_of(claim.version_id), now=now, owner=owner_name())
        going = _end(cursor, which=which, now=now)
        if going:
            store.release(holds=[one.hold for one in going])
