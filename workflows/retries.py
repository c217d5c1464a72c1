"""Reads how runs and their retries hang together; it changes nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from workflows.models import Retry, Run

_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryReport:
    """A retry: the new run, whose work it does again, from where, and what the new run is now."""

    run: UUID
    of: UUID
    start: str
    step: str
    state: str
    reused: Sequence[str]
    is_input_edited: bool
    reason: str
    asked_by: str
    asked_at: datetime


def find_origin(run_id: UUID, *, state: str) -> RetryReport | None:
    """This will say whose work a run does again; None: nobody's."""
    row = Retry.objects.filter(run_id=run_id).first()
    return None if row is None else _report(row, state=state)


def retries_of(run_id: UUID) -> Sequence[RetryReport]:
    """This will give the retries of a run, the newest first, at most 100."""
    rows = list(Retry.objects.filter(of_id=run_id).order_by("-asked_at", "-run_id")[:_MOST])
    states = _states([row.run_id for row in rows])
    return [_report(row, state=states.get(row.run_id, "")) for row in rows]


def standing_of(run_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """This will say what has come of the newest retry of each run that has one.

    `retrying` until it has ended, then what it ended as: only `succeeded` says that the work is done.
    """
    newest = dict(Retry.objects.filter(of_id__in=run_ids).order_by("asked_at", "run_id").values_list("of_id", "run_id"))
    states = _states(list(newest.values()))
    return {of: _standing(states.get(run, "")) for of, run in newest.items()}


def _standing(state: str) -> str:
    return "retrying" if state == "running" else state


def _states(run_ids: Collection[UUID]) -> Mapping[UUID, str]:
    return dict(Run.objects.filter(id__in=run_ids).values_list("id", "state")) if run_ids else {}


def _report(row: Retry, *, state: str) -> RetryReport:
    return RetryReport(
        run=row.run_id,
        of=row.of_id,
        start=row.start,
        step=row.step,
        state=_standing(state),
        reused=row.reused,
        is_input_edited=row.is_input_edited,
        reason=row.reason,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
    )
