"""Brings failed work back, or gives it up: each on somebody's word, audited, and at most once."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from workflows import plans, statements
from workflows.core.states import DeadLetterState, ItemState, RunState, StepState, may_become
from workflows.errors import DeadLetterResolved, RunEnded, UnknownDeadLetter
from workflows.models import Activation, DeadLetter, Item, Run, Step
from workflows.operations import waiting
from workflows.plans import Program


def requeue_dead_letter(*, dead_letter_id: int, actor: Actor, now: datetime) -> DeadLetter:
    """This will try a failed step or item again, with fresh attempts and its old idempotency key.

    The run goes on where it failed: the steps behind it that were given up are decided anew. That it succeeds is
    said only when the new attempt has succeeded. Raises UnknownDeadLetter, DeadLetterResolved, RunEnded when the
    run was cancelled.
    """
    with transaction.atomic():
        letter = _lock_open(dead_letter_id)
        run = Run.objects.select_for_update().get(id=letter.run_id)
        state = RunState(run.state)
        if state is not RunState.RUNNING and not may_become(before=state, after=RunState.RUNNING):
            raise RunEnded(run_id=run.id, state=run.state)
        program = plans.program_of(run.version_id)
        _reopen(run, deadline_s=program.plan.definition.deadline_s, now=now)
        _restart(letter, run=run, program=program, now=now)
        waiting.requeue(run, was_ended=state is not RunState.RUNNING, now=now)
        _resolve(letter, state=DeadLetterState.REQUEUED, actor=actor, now=now)
        audit.record(
            _event(EventKind.DEAD_LETTER_REQUEUED, letter=letter, run=run, actor=actor, now=now),
            _event(EventKind.RUN_REQUEUED, letter=letter, run=run, actor=actor, now=now),
        )
        statements.run("notify", {})
    return letter


def discard_dead_letter(*, dead_letter_id: int, actor: Actor, now: datetime, reason: str) -> DeadLetter:
    """This will mark a dead letter as given up; its run stays failed. Raises as requeue_dead_letter does."""
    with transaction.atomic():
        letter = _lock_open(dead_letter_id)
        run = Run.objects.get(id=letter.run_id)
        _resolve(letter, state=DeadLetterState.DISCARDED, actor=actor, now=now)
        audit.record(
            _event(EventKind.DEAD_LETTER_DISCARDED, letter=letter, run=run, actor=actor, now=now, reason=reason)
        )
    return letter


def _lock_open(dead_letter_id: int) -> DeadLetter:
    letter = DeadLetter.objects.select_for_update().filter(id=dead_letter_id).first()
    if letter is None:
        raise UnknownDeadLetter(dead_letter_id)
    if letter.state != DeadLetterState.OPEN:
        raise DeadLetterResolved(dead_letter_id=dead_letter_id, state=letter.state)
    return letter


def _reopen(run: Run, *, deadline_s: float | None, now: datetime) -> None:
    run.state, run.error, run.output, run.ended_at = RunState.RUNNING, None, None, None
    run.round += 1
    if deadline_s is not None:
        run.deadline_at = now + timedelta(seconds=deadline_s)
    run.save(update_fields=["state", "error", "output", "ended_at", "round", "deadline_at"])


def _restart(letter: DeadLetter, *, run: Run, program: Program, now: datetime) -> None:
    """Forget how the step ended, and how the steps behind it were decided because of that; make it due."""
    segment, position = program.plan.place_of[letter.step]
    behind = _decided_behind(letter.step, run=run, program=program)
    Step.objects.filter(run_id=run.id, step__in=[letter.step, *behind]).delete()
    if letter.index is not None:
        Item.objects.filter(run_id=run.id, step=letter.step, index=letter.index).update(
            state=ItemState.WAITING,
            due_at=Now(),
            attempt=1,
            error=None,
            previous_delay_s=None,
            started_at=None,
        )
    Activation.objects.create(
        run_id=run.id,
        version_id=run.version_id,
        segment=segment,
        slot=_free_slot(run, segment=segment, is_item=letter.index is not None),
        position=position,
        round=run.round,
        due_at=Now(),
        lane=program.plan.segments[segment].lane,
        priority=run.priority,
        created_at=now,
    )


def _decided_behind(step: str, *, run: Run, program: Program) -> Sequence[str]:
    """Steps behind the failed one that never ran; what did run is not run again."""
    never_ran = Step.objects.filter(
        run_id=run.id, state__in=(StepState.SKIPPED, StepState.UPSTREAM_FAILED), attempts=0
    ).values_list("step", flat=True)
    return [other for other in never_ran if step in program.plan.graph.upstream(other)]


def _free_slot(run: Run, *, segment: int, is_item: bool) -> int:
    """Slot 0 opens a for_each: an item of one that is open gets a puller of its own."""
    highest = Activation.objects.filter(run_id=run.id, segment=segment).aggregate(slot=Max("slot"))["slot"]
    if highest is not None:
        return int(highest) + 1
    return 1 if is_item else 0


def _resolve(letter: DeadLetter, *, state: DeadLetterState, actor: Actor, now: datetime) -> None:
    letter.state, letter.resolved_at, letter.resolved_by = state, now, str(actor)
    letter.save(update_fields=["state", "resolved_at", "resolved_by"])


def _event(kind: EventKind, *, letter: DeadLetter, run: Run, actor: Actor, now: datetime, reason: str = "") -> Event:
    return Event(
        kind=kind,
        actor=actor,
        subject_type="run",
        subject_id=str(run.id),
        correlation_id=run.correlation_id,
        at=now,
        payload={
            "dead_letter": letter.id,
            "step": letter.step,
            "index": letter.index,
            "round": run.round,
            "reason": reason,
        },
    )
