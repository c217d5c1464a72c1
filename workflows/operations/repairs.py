"""Brings failed work back, or gives it up: each on somebody's word, audited, and at most once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from workflows import plans, statements
from workflows.core.definition import JsonValue
from workflows.core.states import DeadLetterState, Phase, RunState, TrialState
from workflows.errors import DeadLetterResolved, NotRequeueable, RunEnded, RunUndone, StillEnding, UnknownDeadLetter
from workflows.models import DeadLetter, Run, Step
from workflows.operations import deadlines, incidents, overrides, revival, trials, waiting
from workflows.operations.patience import patiently
from workflows.operations.revival import Comeback
from workflows.plans import Program

_DEADLINE = "deadline"


def requeue_dead_letter(
    *, dead_letter_id: int, actor: Actor, now: datetime, delay_s: float = 0.0, payload: JsonValue = None
) -> DeadLetter:
    """This will try what failed again after `delay_s`, with fresh attempts and its old idempotency key.

    The run goes on where it failed, with a fresh deadline: the steps behind it that were given up are decided anew,
    and those that its deadline stopped come back. `payload` replaces the evaluated inputs of the next attempts. That
    it succeeds is said only when the new attempt has succeeded. Raises UnknownDeadLetter, DeadLetterResolved,
    NotRequeueable, InputInvalid, RunBusy, RunUndone, StillEnding, and RunEnded when the run was cancelled.
    """
    return patiently(lambda: _requeue(dead_letter_id, actor=actor, now=now, delay_s=delay_s, payload=payload))


def is_requeueable(letter: DeadLetter) -> bool:
    """This will tell whether there is something to try again; of a run that failed by itself, only its deadline."""
    return bool(letter.step) or letter.kind == _DEADLINE


def is_undone(run_id: UUID, *, program: Program) -> bool:
    """This will tell whether something a run did was taken back: nothing goes on from there."""
    undos = [undo.id for undo in program.plan.undo_of.values()]
    return bool(undos) and Step.objects.filter(run_id=run_id, step__in=undos).exists()


def discard_dead_letter(*, dead_letter_id: int, actor: Actor, now: datetime, reason: str) -> DeadLetter:
    """This will mark a dead letter as given up; its run stays failed.

    Raises UnknownDeadLetter, DeadLetterResolved, RunBusy.
    """
    return patiently(lambda: _discard(dead_letter_id, actor=actor, now=now, reason=reason))


def hand_over(run: Run, *, actor: Actor, now: datetime) -> None:
    """This will have a new run stand for all that is open in a locked one: what comes of it decides their trials."""
    letters = DeadLetter.objects.select_for_update().filter(run_id=run.id, state=DeadLetterState.OPEN).order_by("id")
    for letter in letters:
        letter.trial = TrialState.PENDING
        _resolve(letter, state=DeadLetterState.REQUEUED, actor=actor, now=now)
        audit.record(_event(EventKind.DEAD_LETTER_REQUEUED, letter=letter, run=run, actor=actor, now=now))
    for found in sorted({letter.fingerprint for letter in letters}):
        incidents.put_on_trial(found, actor=actor, now=now)


def _requeue(dead_letter_id: int, *, actor: Actor, now: datetime, delay_s: float, payload: JsonValue) -> DeadLetter:
    run = _lock_run(dead_letter_id)
    letter = _lock_open(dead_letter_id)
    state = RunState(run.state)
    if state not in (RunState.RUNNING, RunState.FAILED):
        raise RunEnded(run_id=run.id, state=run.state)
    if not is_requeueable(letter):
        raise NotRequeueable(letter.id)
    program = plans.program_of(run.program_id)
    is_closing = _is_closing(letter, run=run, program=program)
    if payload is not None and letter.step:
        step = program.plan.graph.steps[letter.step]
        overrides.put_override(letter, run=run, step=step, payload=payload, actor=actor, now=now)
    _go_on(run, program=program, is_closing=is_closing, begins_at=now + timedelta(seconds=delay_s))
    comeback = Comeback(run=run, program=program, delay_s=delay_s, now=now)
    if letter.step:
        revival.restart(comeback, letter=letter)
    revived = () if is_closing else revival.revive(comeback)
    letters = [letter, *(_deadlines(letter) if revived else ())]
    for one in letters:
        one.trial = TrialState.PENDING
        _resolve(one, state=DeadLetterState.REQUEUED, actor=actor, now=now)
        audit.record(_event(EventKind.DEAD_LETTER_REQUEUED, letter=one, run=run, actor=actor, now=now))
    for found in sorted({one.fingerprint for one in letters}):
        incidents.put_on_trial(found, actor=actor, now=now)
    audit.record(
        _event(EventKind.RUN_REQUEUED, letter=letter, run=run, actor=actor, now=now, revived_steps=list(revived))
    )
    waiting.requeue(comeback, was_ended=state is not RunState.RUNNING)
    statements.run("notify", {})
    return letter


def _discard(dead_letter_id: int, *, actor: Actor, now: datetime, reason: str) -> DeadLetter:
    run = _lock_run(dead_letter_id)
    letter = _lock_open(dead_letter_id)
    letter.reason = reason
    _resolve(letter, state=DeadLetterState.DISCARDED, actor=actor, now=now)
    audit.record(_event(EventKind.DEAD_LETTER_DISCARDED, letter=letter, run=run, actor=actor, now=now, reason=reason))
    for concerned in sorted({letter.fingerprint, *trials.give_up(letter, at=now)}):
        incidents.settle(concerned, actor=actor, now=now, reason=reason)
    return letter


def _lock_run(dead_letter_id: int) -> Run:
    """The run first, as everybody does who takes both: so the last of its letters is seen to be the last."""
    run_id = DeadLetter.objects.filter(id=dead_letter_id).values_list("run_id", flat=True).first()
    if run_id is None:
        raise UnknownDeadLetter(dead_letter_id)
    run = Run.objects.select_for_update().filter(id=run_id).first()
    if run is None:
        raise UnknownDeadLetter(dead_letter_id)
    return run


def _lock_open(dead_letter_id: int) -> DeadLetter:
    letter = DeadLetter.objects.select_for_update().filter(id=dead_letter_id).first()
    if letter is None:
        raise UnknownDeadLetter(dead_letter_id)
    if letter.state != DeadLetterState.OPEN:
        raise DeadLetterResolved(dead_letter_id=dead_letter_id, state=letter.state)
    return letter


def _is_closing(letter: DeadLetter, *, run: Run, program: Program) -> bool:
    """What failed at the end of a run is tried again there; before that, only what nothing has been built on or undone.

    Raises StillEnding, RunUndone.
    """
    if letter.step and program.plan.graph.steps[letter.step].phase is not Phase.MAIN:
        return True
    if run.state == RunState.RUNNING and run.ending:
        raise StillEnding(dead_letter_id=letter.id, run_id=run.id)
    if is_undone(run.id, program=program):
        raise RunUndone(dead_letter_id=letter.id, run_id=run.id)
    return False


def _go_on(run: Run, *, program: Program, is_closing: bool, begins_at: datetime) -> None:
    if is_closing:
        _resume(run)
    else:
        deadline_s = deadlines.length_s(program.plan.definition.deadline, workflow=program.workflow_name)
        _reopen(run, deadline_s=deadline_s, begins_at=begins_at)


def _resume(run: Run) -> None:
    """It goes on to the end it was about to have; what it has come to before that stays."""
    if run.state != RunState.RUNNING:
        run.error = (run.error or {}).get("before", run.error)
    run.state, run.ended_at, run.deadline_at = RunState.RUNNING, None, None
    run.round += 1
    run.save(update_fields=["state", "error", "ended_at", "round", "deadline_at"])


def _reopen(run: Run, *, deadline_s: float | None, begins_at: datetime) -> None:
    run.state, run.error, run.output, run.ended_at = RunState.RUNNING, None, None, None
    run.ending, run.is_undoing = "", False
    run.round += 1
    run.deadline_at = None if deadline_s is None else begins_at + timedelta(seconds=deadline_s)
    run.deadline_missed_at = None
    changed = ["state", "error", "output", "ended_at", "round", "deadline_at", "ending", "is_undoing"]
    run.save(update_fields=[*changed, "deadline_missed_at"])


def _deadlines(letter: DeadLetter) -> Sequence[DeadLetter]:
    """Whoever brings the run back for another failure has brought back what its deadline stopped, too."""
    rows = DeadLetter.objects.select_for_update().filter(run_id=letter.run_id, step="", kind=_DEADLINE)
    return list(rows.filter(state=DeadLetterState.OPEN).exclude(id=letter.id).order_by("id"))


def _resolve(letter: DeadLetter, *, state: DeadLetterState, actor: Actor, now: datetime) -> None:
    letter.state, letter.resolved_at, letter.resolved_by = state, now, str(actor)
    letter.save(update_fields=["state", "resolved_at", "resolved_by", "reason", "trial"])


def _event(
    kind: EventKind, *, letter: DeadLetter, run: Run, actor: Actor, now: datetime, reason: str = "", **more: object
) -> Event:
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
            **more,
        },
    )
