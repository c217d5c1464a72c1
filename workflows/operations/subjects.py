"""Ends what a waiting step waits for (its subject: an approval, a subscription, a child run) together with the step.

Each kind of step registers what closes its subjects. It is called in the transaction that ends the run or brings the
step back, and only for versions which have such steps; the run is locked, its activations are not yet.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from audit.events import Actor
from workflows.plans import Program


class Cause(StrEnum):
    """Why a subject is closed from outside."""

    RUN_ENDED = "run_ended"
    RUN_CANCELLED = "run_cancelled"
    STEP_REVIVED = "step_revived"
    STEP_STOPPED = "step_stopped"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """Whose subjects are to be closed: of these steps of a run, or with `index` of one item."""

    run_id: UUID
    steps: Sequence[str]
    index: int | None
    cause: Cause
    actor: Actor
    now: datetime


Closer = Callable[[Closing], None]
_closers: dict[str, Closer] = {}


def register(uses: str, closer: Closer) -> None:
    """This will have `closer` close the open subjects of steps of this kind; what is closed already it leaves alone."""
    _closers[uses] = closer


def close(program: Program, *, run_id: UUID, cause: Cause, actor: Actor, now: datetime) -> None:
    """This will close every open subject of a run."""
    for uses, steps in program.subjects.items():
        _closers[uses](Closing(run_id=run_id, steps=steps, index=None, cause=cause, actor=actor, now=now))


def close_step(
    uses: str, *, run_id: UUID, step: str, index: int | None, cause: Cause, actor: Actor, now: datetime
) -> None:
    """This will close the open subjects of one step; with `index` that of one item."""
    if uses in _closers:
        _closers[uses](Closing(run_id=run_id, steps=[step], index=index, cause=cause, actor=actor, now=now))
