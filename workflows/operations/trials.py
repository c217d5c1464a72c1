"""Notes what came of requeued work, inside the transaction in which it came: the proof an incident is closed by."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from workflows.core.states import DeadLetterState, RunState, TrialState
from workflows.models import DeadLetter, InputOverride, Retry, Run

_STEP = -1
_TRIALS = {
    RunState.SUCCEEDED: TrialState.SUCCEEDED,
    RunState.FAILED: TrialState.FAILED,
    RunState.CANCELLED: TrialState.GIVEN_UP,
}


def succeed(*, run_id: UUID, step: str, indexes: Collection[int] | None, at: datetime) -> None:
    """This will note that a requeued step, or items of it, ended well; edited inputs have served their purpose."""
    places = Q(index__isnull=True) if indexes is None else Q(index__in=indexes)
    _end(DeadLetter.objects.filter(places, run_id=run_id, step=step), trial=TrialState.SUCCEEDED, at=at)
    InputOverride.objects.filter(run_id=run_id, step=step, index__in=(_STEP,) if indexes is None else indexes).delete()


def succeed_run(*, run_id: UUID, at: datetime) -> None:
    """This will note that a requeued run has succeeded, and all in it that had failed."""
    _end(DeadLetter.objects.filter(run_id=run_id), trial=TrialState.SUCCEEDED, at=at)
    InputOverride.objects.filter(run_id=run_id).delete()


def end_run(*, run_id: UUID, state: RunState, at: datetime) -> None:
    """This will note what came of a requeued run, and of the one it retries, whose failures stand and fall with it."""
    if state is RunState.SUCCEEDED:
        succeed_run(run_id=run_id, at=at)
    retried = Retry.objects.filter(run_id=run_id).values("of_id")
    _end(DeadLetter.objects.filter(run_id__in=retried), trial=_TRIALS[state], at=at)


def give_up_run(*, run_id: UUID, at: datetime) -> None:
    """This will note that nobody waits any more for what was requeued of a run."""
    _end(DeadLetter.objects.filter(run_id=run_id), trial=TrialState.GIVEN_UP, at=at)


def give_up(letter: DeadLetter, *, at: datetime) -> Collection[str]:
    """This will note that nobody waits for the place of a dead letter any more; gives the incidents concerned.

    Where it was the last open one of a run that has ended, nothing of the run will go on by itself.
    """
    siblings = DeadLetter.objects.filter(run_id=letter.run_id)
    waiting = siblings.filter(trial=TrialState.PENDING)
    is_last = not siblings.filter(state=DeadLetterState.OPEN).exclude(id=letter.id).exists()
    if not (is_last and Run.objects.filter(id=letter.run_id).exclude(state=RunState.RUNNING).exists()):
        waiting = waiting.filter(step=letter.step)
        waiting = waiting.filter(index__isnull=True) if letter.index is None else waiting.filter(index=letter.index)
    concerned = set(waiting.values_list("fingerprint", flat=True))
    waiting.update(trial=TrialState.GIVEN_UP, trial_ended_at=at)
    return concerned


def _end(letters: QuerySet[DeadLetter], *, trial: TrialState, at: datetime) -> None:
    letters.filter(trial=TrialState.PENDING).update(trial=trial, trial_ended_at=at)
