"""What happens where segments meet: one transaction ends a step and makes ready everything that waited for it.

The run's row is locked first, so that of several branches that end at once exactly one sees itself as the last.
The worker that ends a segment goes on with one of those that became ready on its lane; the others are due.
"""

from collections.abc import Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta

import orjson
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from audit import operations as audit
from audit.events import EventKind
from workflows import queries, statements
from workflows.core import progress
from workflows.core.progress import Advance, Entry
from workflows.core.states import ActivationState, RunState, StepState, WaitReason
from workflows.execution import dead_letters, ends
from workflows.execution.cursor import Cursor, open_cursor
from workflows.execution.ends import StepEnd
from workflows.models import Activation, Run, Step
from workflows.operations import trials
from workflows.store import StepRow

log = structlog.get_logger(__name__)
_STOPPED = {"kind": "cancelled", "message": "a step was stopped before it ended, and never done", "step": None}


def end_step(end: StepEnd) -> Sequence[Cursor]:
    """This will commit the end of a step with all that follows; gives the cursors this worker goes on with."""
    with transaction.atomic():
        if not lock(end.cursor):
            going: Sequence[Cursor] = ()
            is_ours = False
        else:
            going = _end_step(end)
            is_ours = True
    if not is_ours:
        note_discarded(end.cursor, state=end.state, at=end.ended_at)
    return going


def note_discarded(cursor: Cursor, *, state: StepState, at: datetime) -> None:
    """This will record that a result came too late: the run was ended, or somebody else had the lease."""
    log.warning("result_discarded", run_id=str(cursor.claim.run_id), step=cursor.step.id, state=state.value)
    with transaction.atomic():
        audit.record_encoded(
            cursor.event(
                EventKind.STEP_DISCARDED,
                at=at,
                step=cursor.step.id,
                attempt=cursor.attempt,
                state=state.value,
            )
        )


def insert_steps(cursor: Cursor, *, rows: Sequence[StepRow]) -> None:
    """This will store ended steps of the cursor's run."""
    Step.objects.bulk_create(
        Step(
            run_id=cursor.claim.run_id,
            step=row["step"],
            state=row["state"],
            output=None if row["output"] is None else orjson.loads(orjson.dumps(row["output"])),
            error=row["error"],
            attempts=row["attempts"],
            started_at=None if row["started_at"] is None else datetime.fromisoformat(row["started_at"]),
            ended_at=datetime.fromisoformat(row["ended_at"]),
        )
        for row in rows
    )


def lock(cursor: Cursor) -> bool:
    """This will lock the run and tell whether the activation is still this worker's; needs a transaction."""
    run = Run.objects.select_for_update().filter(id=cursor.claim.run_id, state=RunState.RUNNING)
    if not run.exists():
        return False
    # Locked too: nobody may claim it, because its lease has run out, while its end is being committed.
    ours = Activation.objects.select_for_update().filter(id=cursor.claim.id, epoch=cursor.claim.epoch)
    return bool(list(ours.values_list("id", flat=True)))


def _end_step(end: StepEnd) -> Sequence[Cursor]:
    cursor = end.cursor
    if cursor.claim.round:
        end = _without_known(end)
    insert_steps(cursor, rows=list(end.step_rows()))
    audit.record_encoded(*end.events())
    if end.failure is not None:
        cursor.has_failed = True
        death = dead_letters.Death(
            index=None,
            attempt=cursor.attempt,
            round=cursor.claim.round,
            failure=end.failure,
            started_at=cursor.step_started_at,
            at=end.ended_at,
        )
        dead_letters.bury(cursor, [death])
    elif cursor.claim.round:
        trials.succeed(run_id=cursor.claim.run_id, step=cursor.step.id, indexes=None, at=end.ended_at)
    end.remember()
    if end.follow.position is not None:
        _go_on(cursor, position=end.follow.position, now=end.ended_at)
        return (cursor,)
    return end_segment(cursor, at=end.ended_at)


def _without_known(end: StepEnd) -> StepEnd:
    """After a requeue, what ran behind the failed step before, or still runs, is not decided or run again."""
    cursor, follow = end.cursor, end.follow
    known = _active_steps(cursor) | queries.step_states(run_id=cursor.claim.run_id).keys()
    decided = tuple((step, state) for step, state in follow.decided if step not in known)
    position = follow.position
    if position is not None and cursor.segment.steps[position] in known:
        position = None
    return replace(end, follow=progress.Follow(decided=decided, position=position))


def end_segment(cursor: Cursor, *, at: datetime) -> Sequence[Cursor]:
    """This will end the cursor's activation inside the open transaction and start what waited for it."""
    Activation.objects.filter(id=cursor.claim.id).delete()
    # In this order: a branch that goes on in between is seen as active, never as neither active nor ended.
    active = _active_steps(cursor)
    states = queries.step_states(run_id=cursor.claim.run_id)
    follows = progress.advance(cursor.program.plan, ended=states, active=active)
    _decide(cursor, decided=follows.decided, at=at)
    if follows.run_state is not None and not active:
        _close(cursor, state=follows.run_state, at=at)
        return ()
    return _start(cursor, follows=follows, at=at)


def _active_steps(cursor: Cursor) -> Set[str]:
    others = Activation.objects.filter(run_id=cursor.claim.run_id).exclude(id=cursor.claim.id)
    segments = cursor.program.plan.segments
    places = others.values_list("segment", "position")
    return {step for segment, position in places for step in segments[segment].steps[position:]}


def _decide(cursor: Cursor, *, decided: Sequence[tuple[str, StepState]], at: datetime) -> None:
    if not decided:
        return
    text = at.isoformat()
    insert_steps(
        cursor,
        rows=[ends.decided_row(cursor.claim.id, step=step, state=state, ended_at=text) for step, state in decided],
    )
    audit.record_encoded(*(ends.decided_event(cursor, step=step, state=state, at=at) for step, state in decided))


def _close(cursor: Cursor, *, state: RunState, at: datetime) -> None:
    error = None
    if state is RunState.FAILED:
        error = queries.first_error(run_id=cursor.claim.run_id) or _STOPPED
    if cursor.program.output is not None:
        wanted = cursor.program.output.references
        cursor.results.update(queries.results_of(run_id=cursor.claim.run_id, steps=wanted, plan=cursor.program.plan))
    close = ends.run_end(cursor, state=state, error=error, at=at)
    Run.objects.filter(id=cursor.claim.run_id).update(
        state=close.columns["state"],
        output=close.columns["output"],
        error=close.columns["error"],
        ended_at=at,
    )
    audit.record_encoded(close.event)
    if close.own_error is not None:
        dead_letters.bury_run(cursor, error=close.own_error, at=at)
    elif cursor.claim.round and close.columns["state"] == RunState.SUCCEEDED:
        trials.succeed_run(run_id=cursor.claim.run_id, at=at)


def _start(cursor: Cursor, *, follows: Advance, at: datetime) -> Sequence[Cursor]:
    plan = cursor.program.plan
    own: Entry | None = None
    activations: list[Activation] = []
    for entry in follows.ready:
        segment = plan.segments[entry.segment]
        activation = _activation(cursor, entry=entry, lane=segment.lane, at=at)
        if own is None and segment.lane == cursor.segment.lane:
            own = entry
            activation.state = ActivationState.LEASED
            activation.wait_reason = WaitReason.RUNNING
            activation.owner = cursor.owner
            activation.epoch = 1
            activation.due_at = Now() + timedelta(seconds=settings.LEASE_S)
            activation.step_started_at = activation.first_attempt_at = at
        elif entry.segment in cursor.carries:
            activation.due_at = Now() + timedelta(seconds=settings.CARRY_GRACE_S)
        activations.append(activation)
    Activation.objects.bulk_create(activations)
    if len(activations) > (own is not None):
        statements.run("notify", {})
    return [
        _inherit(cursor, activation=activation, at=at)
        for activation in activations
        if activation.state == ActivationState.LEASED
    ]


def _activation(cursor: Cursor, *, entry: Entry, lane: str, at: datetime) -> Activation:
    claim = cursor.claim
    return Activation(
        run_id=claim.run_id,
        version_id=claim.version_id,
        segment=entry.segment,
        position=entry.position,
        round=claim.round,
        due_at=Now(),
        lane=lane,
        priority=claim.priority,
        fairness_key=claim.fairness_key,
        fairness_weight=claim.fairness_weight,
        created_at=at,
    )


def _inherit(cursor: Cursor, *, activation: Activation, at: datetime) -> Cursor:
    claim = replace(
        cursor.claim,
        id=activation.id,
        epoch=1,
        segment=activation.segment,
        slot=0,
        position=activation.position,
        attempt=1,
        first_attempt_at=at,
        previous_delay_s=None,
        range_start=0,
        range_end=0,
        was_lost=False,
    )
    return open_cursor(claim, program=cursor.program, now=at, owner=cursor.owner)


def _go_on(cursor: Cursor, *, position: int, now: datetime) -> None:
    Activation.objects.filter(id=cursor.claim.id).update(
        position=position, attempt=1, previous_delay_s=None, step_started_at=now, first_attempt_at=now
    )
    cursor.move_to(position, now=now)
