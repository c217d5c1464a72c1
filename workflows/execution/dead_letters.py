"""Keeps what is out of attempts, with everything that is needed to understand and repeat it."""

from datetime import datetime

from audit import operations as audit
from audit.events import EventKind
from workflows.core.outcome import Failed
from workflows.execution.cursor import Cursor
from workflows.models import Attempt, DeadLetter


def bury(
    cursor: Cursor, *, index: int | None, attempt: int, failure: Failed, started_at: datetime, at: datetime
) -> None:
    """This will store the last attempt and the dead letter of a step or item, inside the open transaction."""
    claim = cursor.claim
    Attempt.objects.create(
        run_id=claim.run_id,
        step=cursor.step.id,
        index=index,
        round=claim.round,
        attempt=attempt,
        kind=failure.kind.value,
        message=failure.message,
        evidence=dict(failure.evidence) or None,
        started_at=started_at,
        ended_at=at,
    )
    letter = DeadLetter.objects.create(
        run_id=claim.run_id,
        workflow_name=claim.workflow_name,
        step=cursor.step.id,
        index=index,
        kind=failure.kind.value,
        message=failure.message,
        payload=failure.payload,
        attempts=attempt,
        created_at=at,
    )
    audit.record_encoded(
        cursor.event(
            EventKind.DEAD_LETTER_CREATED,
            at=at,
            dead_letter=letter.id,
            step=cursor.step.id,
            index=index,
            failure=failure.kind.value,
            attempts=attempt,
        )
    )
