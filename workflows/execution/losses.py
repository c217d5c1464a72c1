"""What a loss costs: the attempt of a worker that did not come back is over, and counts."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from audit import operations as audit
from audit.events import EventKind
from integrations import operations as integrations
from integrations.errors import UnknownAdapter
from workflows import plans
from workflows.core.definition import JsonObject
from workflows.core.outcome import LOST, Failed
from workflows.core.states import FailureKind
from workflows.execution import attempts
from workflows.execution.cursor import Cursor
from workflows.expressions import ExpressionFailed
from workflows.models import Activation, Attempt
from workflows.store import HeldItem


def note_loss(cursor: Cursor, *, now: datetime) -> bool:
    """This will record the lost attempt of the step the cursor stands at, and go on with the next attempt.

    False: the lease has been lost again, and nothing was done.
    """
    claim = cursor.claim
    with transaction.atomic():
        ours = Activation.objects.filter(id=claim.id, epoch=claim.epoch)
        if not ours.update(attempt=cursor.attempt + 1):
            return False
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
    return True


def loss_of(cursor: Cursor, *, item: HeldItem | None = None) -> Failed:
    """This will say what is known of the lost attempt, and whether it may be repeated at all."""
    uses, inputs = cursor.step.uses, inputs_of_lost(cursor, item=item)
    repeatable = plans.is_inside(uses) or _may_follow(cursor, inputs=inputs or cursor.step.inputs, item=item)
    return Failed(kind=FailureKind.LOST, message=LOST.message, is_repeatable=repeatable, payload=inputs)


def inputs_of_lost(cursor: Cursor, *, item: HeldItem | None = None) -> JsonObject | None:
    """This will give what an attempt was, or would have been, made with, if that can be told."""
    try:
        inputs = attempts.inputs_of(cursor, item=item)
    except ExpressionFailed:
        return None
    return inputs if isinstance(inputs, Mapping) else None


def _may_follow(cursor: Cursor, *, inputs: JsonObject, item: HeldItem | None) -> bool:
    """An adapter that is not installed any more cannot tell: then nobody should try."""
    key = attempts.key_of(cursor, item=item)
    try:
        return integrations.may_follow_loss(uses=cursor.step.uses, inputs=inputs, run_id=cursor.claim.run_id, key=key)
    except UnknownAdapter:
        return False
