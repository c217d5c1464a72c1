"""Rounds of a `repeat_until`: which one is next, whether another one follows, and the pause before it.

A round that has ended without its condition is an attempt row: rounds are counted by these rows, so that one that was
committed is never repeated. Each round is an effect of its own and has its own idempotency key.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Now

from audit import operations as audit
from audit.events import EventKind
from workflows import statements
from workflows.core.definition import JsonValue
from workflows.core.outcome import Failed, Outcome, Repeated, Succeeded
from workflows.core.repetition import KIND
from workflows.core.states import ActivationState, FailureKind, StepState, WaitReason
from workflows.execution import frontier
from workflows.execution.cursor import Cursor
from workflows.models import Activation, Attempt


@dataclass(frozen=True, slots=True)
class Round:
    """The round under way: `number` counts all of them and makes its key, `since_requeue` those that `times` allows."""

    number: int
    since_requeue: int


def next_round(cursor: Cursor, *, index: int | None) -> Round | None:
    """This will say which round of its `repeat_until` a step or item is in; None where it has none."""
    if cursor.step.repeat_until is None:
        return None
    rows = Attempt.objects.filter(run_id=cursor.claim.run_id, step=cursor.step.id, index=index, kind=KIND)
    counts = rows.aggregate(all=Count("id"), recent=Count("id", filter=Q(round=cursor.claim.round)))
    return Round(number=counts["all"] + 1, since_requeue=counts["recent"] + 1)


def judge(cursor: Cursor, outcome: Outcome, *, now: Round, values: dict[str, JsonValue]) -> Outcome:
    """This will say what a round has come to: it ends the step, or is followed by another one, or was the last.

    `values` are what its expressions see. Raises ExpressionFailed.
    """
    policy, condition = cursor.step.repeat_until, cursor.current.repeat_until
    if policy is None or condition is None or not isinstance(outcome, Succeeded):
        return outcome
    if condition.evaluate({**values, "output": outcome.output}):
        return outcome
    if now.since_requeue >= policy.times:
        message = f"the condition of repeat_until did not hold after {policy.times} rounds"
        evidence = {"round": now.number, "output": outcome.output}
        return Failed(kind=FailureKind.TIMEOUT, message=message, evidence=evidence, is_repeatable=False)
    return Repeated(
        output=outcome.output,
        text=outcome.text,
        number=now.number,
        object=f"round {now.since_requeue + 1} of {policy.times}",
        delay_s=policy.delay_s(done=now.since_requeue),
    )


def put_off(cursor: Cursor, outcome: Repeated, *, at: datetime) -> None:
    """This will end a round of a step and book the next one; nothing where the lease is lost."""
    with transaction.atomic():
        is_ours = frontier.lock(cursor)
        if is_ours:
            note(cursor, outcome, index=None, attempt=cursor.attempt, started_at=cursor.step_started_at, at=at)
            Activation.objects.filter(id=cursor.claim.id).update(
                state=ActivationState.WAITING,
                wait_reason=WaitReason.REPEAT,
                wait_object=outcome.object,
                owner="",
                attempt=1,
                previous_delay_s=None,
                first_attempt_at=None,
                latest_start_at=None,
                due_at=Now() + timedelta(seconds=0 if cursor.claim.ending else outcome.delay_s),
            )
            statements.run("notify", {})
    if not is_ours:
        frontier.note_discarded(cursor, state=StepState.SUCCEEDED, at=at)


def note(
    cursor: Cursor, outcome: Repeated, *, index: int | None, attempt: int, started_at: datetime, at: datetime
) -> None:
    """This will store a round that is followed by another one, and state it, inside the open transaction."""
    claim = cursor.claim
    Attempt.objects.create(
        run_id=claim.run_id,
        step=cursor.step.id,
        index=index,
        round=claim.round,
        attempt=attempt,
        kind=KIND,
        message=f"its condition does not hold yet: next is {outcome.object}",
        evidence={"round": outcome.number, "output": outcome.output},
        started_at=started_at,
        ended_at=at,
        delay_s=outcome.delay_s,
    )
    place: dict[str, object] = {"step": cursor.step.id} if index is None else {"step": cursor.step.id, "index": index}
    delay_ms = round(outcome.delay_s * 1000)
    audit.record_encoded(
        cursor.event(EventKind.STEP_REPEATING, at=at, **place, round=outcome.number, delay_ms=delay_ms)
    )
