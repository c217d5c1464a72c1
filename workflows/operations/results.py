"""Sets the result of a step by hand: one that has failed, or one that is under way; its run goes on from there.

The result lies where edited inputs lie. The step is due again, and whoever takes it ends it with that result instead
of performing it: so its end is an end like any other. A worker that has it at this moment is fenced off: what it brings
is recorded as discarded.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

import orjson
from django.conf import settings
from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from audit.redaction import redacted
from workflows import plans, statements
from workflows.core.definition import RETURN, JsonValue, StepDefinition
from workflows.core.problems import Problem
from workflows.core.states import DeadLetterState, RunState
from workflows.core.storable import holds_nul
from workflows.core.switching import USES as SWITCH
from workflows.errors import InputInvalid, ResultRefused, UnknownRun
from workflows.models import Activation, DeadLetter, InputOverride, Run, Step
from workflows.operations import limits, repairs, subjects
from workflows.operations.patience import patiently
from workflows.operations.revival import Comeback
from workflows.operations.subjects import Cause
from workflows.store import GATES

_STEP = -1
_AT = "$.output"
_TOLD_CHARS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResult:
    """A result to be set: of a step, or with `index` of an item of a `for_each` that has failed."""

    step: str
    output: JsonValue
    reason: str
    index: int | None = None

    @property
    def place(self) -> str:
        """This will name the step, and the item."""
        return self.step if self.index is None else f"{self.step}[{self.index}]"


def set_result(*, run_id: UUID, wanted: SetResult, actor: Actor, now: datetime) -> Run:
    """This will have a step that failed, waits or is under way succeed with an output somebody gives.

    A step that failed comes back as with a requeue of its dead letter. Raises UnknownRun, RunBusy, ResultRefused,
    InputInvalid, and what `requeue_dead_letter` raises.
    """
    return patiently(lambda: _set_result(run_id, wanted=wanted, actor=actor, now=now))


def _set_result(run_id: UUID, *, wanted: SetResult, actor: Actor, now: datetime) -> Run:
    run = Run.objects.select_for_update().filter(id=run_id).first()
    if run is None:
        raise UnknownRun(run_id)
    definition = _definition(run, wanted=wanted)
    _check(wanted)
    letter = _find_letter(run, wanted=wanted)
    before = _before(letter)
    _put(run, wanted=wanted, actor=actor, now=now)
    if letter is not None:
        repairs.requeue_dead_letter(dead_letter_id=letter.id, actor=actor, now=now)
    else:
        _take(run, wanted=wanted, definition=definition, actor=actor, now=now)
    audit.record(_event(run, wanted=wanted, before=before, actor=actor, now=now))
    run.refresh_from_db()
    return run


def _definition(run: Run, *, wanted: SetResult) -> StepDefinition:
    steps = plans.program_of(run.program_id).plan.graph.steps
    if wanted.step not in steps:
        raise ResultRefused(run_id=run.id, place=wanted.place, why="there is no such step")
    step = steps[wanted.step]
    if step.uses in (SWITCH, RETURN):
        raise ResultRefused(run_id=run.id, place=wanted.place, why=f"a step that uses {step.uses} gives no result")
    if (step.for_each is None) is not (wanted.index is None):
        why = "it is no for_each" if step.for_each is None else "of a for_each say which item"
        raise ResultRefused(run_id=run.id, place=wanted.place, why=why)
    return step


def _check(wanted: SetResult) -> None:
    text = orjson.dumps(wanted.output)
    if holds_nul(text):
        raise InputInvalid([Problem(_AT, "it holds a NUL character, which PostgreSQL cannot store")])
    if len(text) > settings.STEP_OUTPUT_MAX_BYTES:
        limit = settings.STEP_OUTPUT_MAX_BYTES
        problem = Problem(_AT, f"it is {len(text)} bytes: at most {limit} are kept", "give a reference to the data")
        raise InputInvalid([problem])
    if not wanted.reason.strip():
        raise InputInvalid([Problem("$.reason", "it is empty", "say why: it is written into the audit trail")])


def _find_letter(run: Run, *, wanted: SetResult) -> DeadLetter | None:
    letters = DeadLetter.objects.filter(run_id=run.id, step=wanted.step, state=DeadLetterState.OPEN)
    letters = letters.filter(index__isnull=True) if wanted.index is None else letters.filter(index=wanted.index)
    return letters.order_by("-id").first()


def _before(letter: DeadLetter | None) -> JsonValue:
    return None if letter is None else {"kind": letter.kind, "message": letter.message}


def _put(run: Run, *, wanted: SetResult, actor: Actor, now: datetime) -> None:
    InputOverride.objects.update_or_create(
        run_id=run.id,
        step=wanted.step,
        index=_STEP if wanted.index is None else wanted.index,
        defaults={"payload": wanted.output, "is_result": True, "edited_by": str(actor), "edited_at": now},
    )


def _take(run: Run, *, wanted: SetResult, definition: StepDefinition, actor: Actor, now: datetime) -> None:
    """Take the step away from whoever has it or waits with it, and have it due again in a new round."""
    program = plans.program_of(run.program_id)
    segment, position = program.plan.place_of[wanted.step]
    if definition.uses in program.subjects:
        subjects.close_step(
            definition.uses,
            run_id=run.id,
            step=wanted.step,
            index=None,
            cause=Cause.STEP_STOPPED,
            actor=actor,
            now=now,
        )
    own = Activation.objects.select_for_update(nowait=True).filter(run_id=run.id, segment=segment)
    at_it = own.filter(position=position)
    row = None if wanted.index is not None else at_it.first()
    if run.state != RunState.RUNNING or row is None or row.wait_reason in GATES:
        raise ResultRefused(run_id=run.id, place=wanted.place, why=_why_not(run, wanted=wanted, row=row))
    run.round += 1
    run.save(update_fields=["round"])
    row.delete()  # its epoch goes with it: a result of that claim is nobody's any more
    comeback = Comeback(run=run, program=program, delay_s=0.0, now=now)
    comeback.activation(wanted.step, slot=row.slot).save(force_insert=True)
    if definition.limits:
        transaction.on_commit(partial(limits.wake, definition.limits))
    statements.run("notify", {})


def _why_not(run: Run, *, wanted: SetResult, row: Activation | None) -> str:
    if row is not None:
        return "its run has not been let in yet"
    state = Step.objects.filter(run_id=run.id, step=wanted.step).values_list("state", flat=True).first()
    if wanted.index is not None:
        return "the item has no open dead letter"
    if state is not None:
        return f"it has {state} already, and has no open dead letter"
    return "it has not begun" if run.state == RunState.RUNNING else f"its run has {run.state} without it"


def _event(run: Run, *, wanted: SetResult, before: JsonValue, actor: Actor, now: datetime) -> Event:
    """Values are written as text: the trail knows no floating-point numbers."""
    return Event(
        kind=EventKind.RESULT_SET,
        actor=actor,
        subject_type="run",
        subject_id=str(run.id),
        correlation_id=run.correlation_id,
        at=now,
        payload={
            "step": wanted.step,
            "index": wanted.index,
            "reason": wanted.reason,
            "before": _told(before),
            "after": _told(wanted.output),
            "after_sha256": hashlib.sha256(orjson.dumps(wanted.output, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        },
    )


def _told(value: JsonValue) -> str:
    return orjson.dumps(redacted(value)).decode()[:_TOLD_CHARS]
