"""Signs of life of long steps: stored as one row for a step or item, and read by who goes on with it or looks on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from workflows import statements
from workflows.core.definition import JsonValue
from workflows.core.states import ActivationState
from workflows.models import Activation, Heartbeat
from workflows.store import dump

NO_ITEM = -1
_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A sign of life of an attempt. Without another one within `late_after_s` (None: no matter) it counts as lost.

    Without `progress` what was said before stays.
    """

    run_id: UUID
    step: str
    index: int | None
    activation: int
    epoch: int
    attempt: int
    progress: JsonValue
    late_after_s: float | None


def store(beats: Sequence[Beat]) -> None:
    """This will store signs of life; one of a worker that has lost its lease changes nothing."""
    rows = [
        {
            "run_id": str(beat.run_id),
            "step": beat.step,
            "index": NO_ITEM if beat.index is None else beat.index,
            "activation": beat.activation,
            "epoch": beat.epoch,
            "attempt": beat.attempt,
            "progress": beat.progress,
            "late_after_s": beat.late_after_s,
        }
        for beat in beats
    ]
    statements.execute("beat", {"beats": dump(rows)})


def find_progress(*, run_id: UUID, step: str, index: int | None) -> JsonValue:
    """This will give what the latest attempt of a step or item that said something has said."""
    rows = Heartbeat.objects.filter(run_id=run_id, step=step, index=NO_ITEM if index is None else index)
    progress: JsonValue = rows.values_list("progress", flat=True).first()
    return progress


def beats_of(run_id: UUID) -> Mapping[str, Sequence[Heartbeat]]:
    """This will give the signs of life of the steps of a run, the latest first."""
    found: dict[str, list[Heartbeat]] = {}
    for row in Heartbeat.objects.filter(run_id=run_id).order_by("-beaten_at")[:_AT_ONCE]:
        found.setdefault(row.step, []).append(row)
    return found


def late(now: datetime) -> Sequence[Heartbeat]:
    """This will give those that are late."""
    return list(Heartbeat.objects.filter(late_at__lte=now).order_by("late_at")[:_AT_ONCE])


def give_up(row: Heartbeat) -> bool:
    """This will take the lease under which a late sign of life was given from its worker; False: it had ended.

    The owner stays named, as that of a worker which died: whoever takes the work next counts the attempt as lost.
    """
    held = Activation.objects.filter(
        id=row.activation, epoch=row.epoch, state=ActivationState.LEASED, run_id=row.run_id
    )
    is_taken = held.update(epoch=F("epoch") + 1, due_at=Now()) == 1
    Heartbeat.objects.filter(
        run_id=row.run_id, step=row.step, index=row.index, epoch=row.epoch, late_at__lte=row.late_at
    ).update(late_at=None)
    return is_taken
