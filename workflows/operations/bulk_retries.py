"""Retries many runs: each in its own transaction, so that one that cannot be stops no other."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from audit.events import Actor
from workflows import queries, retries
from workflows.core.run_selection import RunSelection
from workflows.errors import (
    InputInvalid,
    NotRequeueable,
    RetryRefused,
    RetryUnderWay,
    RunBusy,
    RunNotEnded,
    RunUndone,
    StillEnding,
    UnknownRun,
    WorkflowDisabled,
    WorkflowError,
)
from workflows.operations.bulk_repairs import AT_ONCE, Outcome
from workflows.operations.retrying import RetryWanted, preview_retry, retry_run

_SKIPPED: Mapping[type[WorkflowError], str] = {
    RetryUnderWay: "retry_under_way",
    RetryRefused: "refused",
    InputInvalid: "input_invalid",
    RunNotEnded: "not_ended",
    WorkflowDisabled: "workflow_disabled",
    NotRequeueable: "not_requeueable",
    RunUndone: "run_undone",
    RunBusy: "busy",
    StillEnding: "run_ending",
    UnknownRun: "unknown",
}
_AGAIN = "retried_before"


def retry_matching(
    selection: RunSelection,
    *,
    wanted: RetryWanted,
    actor: Actor,
    now: datetime,
    per_second: float | None = None,
    limit: int = AT_ONCE,
    dry_run: bool = False,
) -> Outcome:
    """This will retry ended runs, the oldest first, `per_second` of them at most (None: all at once).

    One that has a retry already is left alone: that retry can be retried. A dry run says which would be refused, and
    counts the others as `dry_run`. The pace is kept in the database, whatever happens to this process.
    """
    found = list(queries.ended_runs(selection).values_list("id", flat=True)[: limit + 1])
    ids, has_more = found[:limit], len(found) > limit
    known = retries.standing_of(ids)
    ends: Counter[str] = Counter()
    for run_id in ids:
        if run_id in known:
            ends["retry_under_way" if known[run_id] == "retrying" else _AGAIN] += 1
            continue
        try:
            if dry_run:
                ends[_word_of_preview(preview_retry(run_id=run_id, wanted=wanted).plan.hindrances)] += 1
            else:
                delay_s = 0.0 if per_second is None else ends["done"] / per_second
                retry_run(run_id=run_id, wanted=wanted, actor=actor, now=now, delay_s=delay_s)
                ends["done"] += 1
        except tuple(_SKIPPED) as error:
            ends[_SKIPPED[type(error)]] += 1
    done = ends.pop("done", 0)
    return Outcome(matched=len(ids), done=done, skipped=dict(ends), has_more=has_more, is_dry_run=dry_run)


def _word_of_preview(hindrances: object) -> str:
    return "refused" if hindrances else "dry_run"
