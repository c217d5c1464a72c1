"""Laws of runs that steps start: each once, none without its step, all with the end they must have."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.evidence import ChildRow, Evidence, RunRow, grouped
from tests.chaos.laws.law import Breach
from workflows.core.subworkflow import USES, ParentEnd

_ENGINE = "engine"
_TAKES_ALONG = (ParentEnd.CANCEL, ParentEnd.REQUEST)
_ENDED_EARLY = ("cancelled", "failed")


def children_orphaned(evidence: Evidence) -> Iterator[Breach]:
    """This will find runs that the engine has started for no step, and steps whose run does not exist (law 5)."""
    for run in evidence.runs.values():
        has_successor = any(
            event.kind == "run.retried" for event in evidence.events_of[run.id]
        )  # that one has its step
        if run.started_by == _ENGINE and not evidence.parents_of[run.id] and not has_successor:
            yield Breach(run.id, f"a run of {run.workflow_name} was started, and no step has started it")
    for row in evidence.children:
        if row.child_id not in evidence.runs:
            yield Breach(row.parent_id, f"{_place(row)} has started run {row.child_id}, which does not exist")


def children_doubled(evidence: Evidence) -> Iterator[Breach]:
    """This will find steps that have started more runs than they must, or fewer, and runs started twice (law 3)."""
    for child_id, rows in evidence.parents_of.items():
        if len(rows) > 1:
            yield Breach(child_id, f"was started by {', '.join(_place(row) for row in rows)}")
    started = grouped(evidence.children, key=lambda row: (row.parent_id, row.step))
    totals = {(row.run_id, row.step): row.total for row in evidence.fanouts}
    for step in evidence.steps:
        if evidence.definition(step.run_id, step.step).uses != USES or step.state != "succeeded":
            continue
        wanted = totals.get((step.run_id, step.step), 1)
        places = Counter(row.index for row in started[step.run_id, step.step])
        rounds = 1 + evidence.runs[step.run_id].round  # brought back, it may start another one
        is_given = (step.run_id, step.step) in evidence.given
        if (len(places) != wanted and not is_given) or max(places.values(), default=0) > rounds:
            yield Breach(step.run_id, f"{step.step} has started {places.total()} runs instead of {wanted}")


def children_ended_wrongly(evidence: Evidence) -> Iterator[Breach]:
    """This will find runs below that outlive a parent which had to wait, or end with one that had not to take them.

    A step that was brought back may have started another run: then it succeeds with that one.
    """
    latest = {(row.parent_id, row.step, row.index): row for row in sorted(evidence.children, key=lambda row: row.round)}
    for row in evidence.children:
        parent, child = evidence.runs[row.parent_id], evidence.runs.get(row.child_id)
        if child is None or child.ended_at is None or parent.ended_at is None:
            continue  # another law: it does not exist, or is stuck
        if (parent.id, row.step) in evidence.given or _is_undone_by_hand(evidence, child):
            continue
        is_forced = any(event.payload.get("is_forced") for event in evidence.events_of[parent.id])
        is_late = child.ended_at > parent.ended_at and not is_forced
        if is_late and row.mode == "wait" and (row.on_parent_end == ParentEnd.CANCEL or parent.state == "succeeded"):
            late_ms = (child.ended_at - parent.ended_at).total_seconds() * 1000
            yield Breach(row.parent_id, f"is {parent.state} {late_ms:.0f} ms before run {child.id} of {_place(row)}")
        is_latest = latest[row.parent_id, row.step, row.index] is row
        if is_latest and row.mode == "wait" and parent.state == "succeeded" and child.state != "succeeded":
            yield Breach(row.parent_id, f"succeeded, and run {child.id} of {_place(row)} is {child.state}")


def _is_undone_by_hand(evidence: Evidence, run: RunRow) -> bool:
    """Somebody may undo a run below long after it has ended, and so after the one above."""
    return any(event.payload.get("is_on_demand") for event in evidence.events_of[run.id])


def is_taken_along(evidence: Evidence, row: ChildRow) -> bool:
    """This will tell whether the end of the run above is a reason for this one to be cancelled."""
    return row.on_parent_end in _TAKES_ALONG and evidence.runs[row.parent_id].state in _ENDED_EARLY


def _place(row: ChildRow) -> str:
    return f"{row.step} of {row.parent_id}" if row.index is None else f"{row.step}[{row.index}] of {row.parent_id}"
