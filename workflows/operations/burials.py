"""Keeps what has failed for good: a dead letter, its audit event and its incident, inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from audit import operations as audit
from audit.events import Event, EventKind
from workflows.core.definition import JsonValue
from workflows.core.states import TrialState
from workflows.models import DeadLetter
from workflows.operations import incidents
from workflows.operations.incidents import ENGINE, Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Burial:
    """A step or item out of attempts, or (`step` is empty) a run that failed by itself.

    `payload` are the evaluated inputs; `round` is greater than 0 where it had been requeued.
    """

    run_id: UUID
    correlation_id: str
    cause: Cause
    index: int | None
    payload: JsonValue
    attempts: int
    round: int
    at: datetime


def bury(burials: Sequence[Burial]) -> None:
    """This will store dead letters and raise their incidents, inside the open transaction."""
    if not burials:
        return
    for burial in burials:
        if burial.round:
            _fail_trial(burial)
    letters = DeadLetter.objects.bulk_create(_letter(burial) for burial in burials)
    audit.record(*(_event(burial, letter=letter) for burial, letter in zip(burials, letters, strict=True)))
    incidents.raise_for([burial.cause for burial in burials], at=burials[-1].at)


def _fail_trial(burial: Burial) -> None:
    """The same failure at the same place: the requeue has not helped. Another failure leaves the trial open."""
    DeadLetter.objects.filter(
        run_id=burial.run_id,
        step=burial.cause.step,
        **({"index__isnull": True} if burial.index is None else {"index": burial.index}),
        fingerprint=burial.cause.fingerprint,
        trial=TrialState.PENDING,
    ).update(trial=TrialState.FAILED, trial_ended_at=burial.at)


def _letter(burial: Burial) -> DeadLetter:
    return DeadLetter(
        run_id=burial.run_id,
        workflow_name=burial.cause.workflow_name,
        step=burial.cause.step,
        index=burial.index,
        kind=burial.cause.kind,
        message=burial.cause.message,
        payload=burial.payload,
        attempts=burial.attempts,
        fingerprint=burial.cause.fingerprint,
        created_at=burial.at,
    )


def _event(burial: Burial, *, letter: DeadLetter) -> Event:
    return Event(
        kind=EventKind.DEAD_LETTER_CREATED,
        actor=ENGINE,
        subject_type="run",
        subject_id=str(burial.run_id),
        correlation_id=burial.correlation_id,
        at=burial.at,
        payload={
            "dead_letter": letter.id,
            "step": burial.cause.step,
            "index": burial.index,
            "failure": burial.cause.kind,
            "attempts": burial.attempts,
            "incident": burial.cause.fingerprint,
        },
    )
