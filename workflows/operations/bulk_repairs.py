"""Requeues or discards many dead letters: each in its own transaction, so that one that cannot be stops no other."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from audit.events import Actor
from workflows import incident_queries
from workflows.core.selection import Selection
from workflows.errors import (
    DeadLetterResolved,
    NotRequeueable,
    RunBusy,
    RunEnded,
    RunUndone,
    StillEnding,
    UnknownDeadLetter,
    WorkflowError,
)
from workflows.operations.repairs import discard_dead_letter, requeue_dead_letter

AT_ONCE = 1_000
"""How many one call looks at unless it says otherwise."""

MOST_AT_ONCE = 10_000

_SKIPPED: Mapping[type[WorkflowError], str] = {
    DeadLetterResolved: "resolved_before",
    RunEnded: "run_cancelled",
    NotRequeueable: "not_requeueable",
    RunUndone: "run_undone",
    RunBusy: "busy",
    StillEnding: "run_ending",
    UnknownDeadLetter: "unknown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of those that matched: `matched` is `done` and the sum of `skipped`. A dry run skips all of them.

    `has_more`: there are more than one call looks at; the same call again takes the next ones.
    """

    matched: int
    done: int
    skipped: Mapping[str, int]
    has_more: bool
    is_dry_run: bool


def requeue_matching(
    selection: Selection,
    *,
    actor: Actor,
    now: datetime,
    per_second: float | None = None,
    limit: int = AT_ONCE,
    dry_run: bool = False,
) -> Outcome:
    """This will requeue open dead letters, the oldest first, `per_second` of them at most (None: all at once).

    The pace is kept in the database: each goes on at its own time, whatever happens to this process.
    """

    def requeue(dead_letter_id: int, place: int) -> None:
        delay_s = 0.0 if per_second is None else place / per_second
        requeue_dead_letter(dead_letter_id=dead_letter_id, actor=actor, now=now, delay_s=delay_s)

    return _each(selection, act=requeue, limit=limit, dry_run=dry_run)


def discard_matching(
    selection: Selection, *, actor: Actor, now: datetime, reason: str, limit: int = AT_ONCE, dry_run: bool = False
) -> Outcome:
    """This will give open dead letters up, the oldest first; their runs stay failed."""

    def discard(dead_letter_id: int, _place: int) -> None:
        discard_dead_letter(dead_letter_id=dead_letter_id, actor=actor, now=now, reason=reason)

    return _each(selection, act=discard, limit=limit, dry_run=dry_run)


def _each(selection: Selection, *, act: Callable[[int, int], None], limit: int, dry_run: bool) -> Outcome:
    found = list(incident_queries.open_letters(selection).values_list("id", flat=True)[: limit + 1])
    ids, has_more = found[:limit], len(found) > limit
    if dry_run:
        skipped = {"dry_run": len(ids)} if ids else {}
        return Outcome(matched=len(ids), done=0, skipped=skipped, has_more=has_more, is_dry_run=True)
    ends: Counter[str] = Counter()
    for dead_letter_id in ids:
        try:
            act(dead_letter_id, ends["done"])
        except tuple(_SKIPPED) as error:
            ends[_SKIPPED[type(error)]] += 1
        else:
            ends["done"] += 1
    done = ends.pop("done", 0)
    return Outcome(matched=len(ids), done=done, skipped=dict(ends), has_more=has_more, is_dry_run=False)
