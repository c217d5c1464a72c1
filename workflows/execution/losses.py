"""What a loss costs: the attempt of a worker that did not come back is over, and counts."""

from datetime import datetime

from django.db import transaction

from audit import operations as audit
from audit.events import EventKind
from integrations import operations as integrations
from workflows import plans
from workflows.core.outcome import LOST, Failed
from workflows.core.states import FailureKind
from workflows.execution.cursor import Cursor
from workflows.models import Activation, Attempt


def note_loss(cursor: Cursor, *, now: datetime) -> None:
    """This will record the lost attempt of the step the cursor stands at, and go on with the next attempt."""
    claim = cursor.claim
    with transaction.atomic():
        ours = Activation.objects.filter(id=claim.id, epoch=claim.epoch)
        if not ours.update(attempt=cursor.attempt + 1):
            return
        Attempt.objects.create(
            run_id=claim.run_id,
            step=cursor.step.id,
            round=claim.round,
            attempt=cursor.attempt,
            kind=LOST.kind.value,
            message=LOST.message,
            ended_at=now,
            delay_s=0.0,
        )
        audit.record_encoded(cursor.event(EventKind.STEP_LOST, at=now, step=cursor.step.id, attempt=cursor.attempt))
    cursor.attempt += 1


def loss_of(cursor: Cursor) -> Failed:
    """This will say what is known of the lost attempt, and whether it may be repeated at all."""
    step = cursor.step
    repeatable = plans.is_inside(step.uses) or integrations.is_repeatable(uses=step.uses, inputs=step.inputs)
    return Failed(kind=FailureKind.LOST, message=LOST.message, is_repeatable=repeatable)
