"""What happens where segments meet: one transaction ends a step and makes ready everything that waited for it.

The run's row is locked first, so that of several branches that end at once exactly one sees itself as the last.
The worker that ends a segment goes on with one of those that became ready on its lane; the others are due.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import orjson
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Subquery
from django.db.models.functions import Now

from audit import operations as audit
from audit.events import EventKind
from workflows import plans, queries, statements
from workflows.core import progress
from workflows.core.definition import JsonObject
from workflows.core.outcome import Failed
from workflows.core.problems import DefinitionInvalid
from workflows.core.progress import Advance, Entry
from workflows.core.states import ActivationState, FailureKind, Notice, Phase, RunState, StepState, WaitReason
from workflows.execution import closings, dead_letters, ends
from workflows.execution.cursor import Cursor, open_cursor
from workflows.execution.ends import StepEnd
from workflows.models import Activation, PauseEpoch, Run, Step
from workflows.operations import growing, timings, trials
from workflows.operations.patience import between_steps
from workflows.store import StepRow

log = structlog.get_logger(__name__)
_Result = TypeVar("_Result")


def end_step(end: StepEnd) -> Sequence[Cursor]:
    """This will commit the end of a step with all that follows; gives the cursors this worker goes on with."""
    going = commit(end.cursor, lambda: _end_if_ours(end))
    if going is None:
        note_discarded(end.cursor, state=end.state, at=end.ended_at)
    return going or ()


def commit(cursor: Cursor, act: Callable[[], _Result]) -> _Result:
    """This will act in one transaction, and anew where others that change the run are in the way.

    What a worker has in hand is worth as much after a deadlock as before it: the cursor stands then where it stood.
    """
    before = copy(cursor)

    def act_anew() -> _Result:
        cursor.return_to(before)
        return act()

    return between_steps(act_anew)


def end_in_transaction(end: StepEnd) -> Sequence[Cursor]:
    """This will end a `for_each` step, whose failures are buried already, inside the open transaction."""
    insert_steps(end.cursor, rows=list(end.step_rows()))
    audit.record_encoded(*end.events())
    return end_segment(end.cursor, at=end.ended_at)


def stop(cursor: Cursor, *, failure: Failed | None, at: datetime) -> Sequence[Cursor]:
    """This will end a step of a run that is ending without another attempt; `failure` is what is known of the last."""
    return end_step(
        StepEnd(
            cursor=cursor,
            state=StepState.CANCELLED,
            output=None,
            output_text=None,
            failure=failure,
            follow=progress.Follow(decided=(), position=None),
            ended_at=at,
        )
    )


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
    runs = Run.objects.select_for_update().filter(id=cursor.claim.run_id, state=RunState.RUNNING)
    run = next(iter(runs.values_list("ending", "is_undoing", "error", "is_awaited", "grown_id")), None)
    if run is None:
        return False
    ending, is_undoing, error, is_awaited, grown_id = run
    if grown_id is not None:
        cursor.follow_growth(plans.grown_version(grown_id))
    if is_awaited != cursor.claim.is_awaited:
        cursor.claim = replace(cursor.claim, is_awaited=is_awaited)
    if ending or cursor.claim.ending:
        cursor.learn_ending(ending=ending, is_undoing=is_undoing, error=error)
    # Locked too: nobody may claim it, because its lease has run out, while its end is being committed.
    ours = Activation.objects.select_for_update().filter(id=cursor.claim.id, epoch=cursor.claim.epoch)
    for pause_epoch in ours.values_list(Subquery(PauseEpoch.objects.values("number")[:1]), flat=True):
        cursor.pause_epoch = pause_epoch
        return True
    return False


def _end_if_ours(end: StepEnd) -> Sequence[Cursor] | None:
    return _end_step(end) if lock(end.cursor) else None


def _end_step(end: StepEnd) -> Sequence[Cursor]:
    cursor = end.cursor
    is_cut_short = bool(cursor.claim.ending) and cursor.phase is Phase.MAIN
    end = closings.cut_short(end) if is_cut_short else _fitted(end)
    insert_steps(cursor, rows=list(end.step_rows()))
    audit.record_encoded(*end.events())
    if end.failure is not None and not is_cut_short:
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
    if end.returns and not is_cut_short:
        Activation.objects.filter(id=cursor.claim.id).delete()
        return _start(cursor, follows=closings.give_back(cursor, output=end.output, at=end.ended_at), at=end.ended_at)
    if end.follow.position is not None:
        _go_on(cursor, position=end.follow.position, now=end.ended_at)
        return (cursor,)
    return end_segment(cursor, at=end.ended_at)


def _fitted(end: StepEnd) -> StepEnd:
    """What the end means to the run as it is now: it may grow, and what ran behind the step before stays as it is."""
    if end.growth is not None:
        end = _grown(end, steps=end.growth)
    return _without_known(end) if end.cursor.claim.round else end


def _grown(end: StepEnd, *, steps: Mapping[str, JsonObject]) -> StepEnd:
    """The run goes on with what its step has returned; where that is no good, the step has failed."""
    cursor = end.cursor
    try:
        program = growing.grow(
            cursor.program,
            run_id=cursor.claim.run_id,
            correlation_id=cursor.claim.correlation_id,
            step=cursor.step.id,
            steps=steps,
            now=end.ended_at,
        )
    except DefinitionInvalid as error:
        message = "the steps it returned are not right: " + "; ".join(str(problem) for problem in error.problems)
        failure = Failed(kind=FailureKind.REFUSED, message=message[:4000])
        follow = progress.follow(
            cursor.program.plan, segment=cursor.segment, position=cursor.position, state=StepState.FAILED
        )
        return replace(
            end, state=StepState.FAILED, output=None, output_text=None, failure=failure, follow=follow, growth=None
        )
    cursor.follow_growth(program.version_id)
    return replace(end, follow=progress.Follow(decided=(), position=None))


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
    if cursor.claim.ending:
        return _start(cursor, follows=closings.go_on(cursor, active=active, at=at), at=at)
    states = queries.step_states(run_id=cursor.claim.run_id)
    chosen = queries.choices_of(run_id=cursor.claim.run_id, plan=cursor.program.plan)
    follows = progress.advance(cursor.program.plan, ended=states, active=active, chosen=chosen)
    _decide(cursor, decided=follows.decided, at=at)
    if follows.run_state is not None and not active:
        follows = closings.end_main(cursor, state=follows.run_state, at=at)
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


def _start(cursor: Cursor, *, follows: Advance, at: datetime) -> Sequence[Cursor]:
    if not follows.ready:
        return ()
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
        **timings.columns(cursor.program.plan.step_at(segment=entry.segment, position=entry.position).allowance),
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
        notice=Notice.NONE,
        pause_epoch=cursor.pause_epoch,
        begun_at=None,
    )
    return open_cursor(claim, program=cursor.program, now=at, owner=cursor.owner)


def _go_on(cursor: Cursor, *, position: int, now: datetime) -> None:
    Activation.objects.filter(id=cursor.claim.id).update(
        position=position, attempt=1, previous_delay_s=None, step_started_at=now, first_attempt_at=now, begun_at=None
    )
    cursor.move_to(position, now=now)
