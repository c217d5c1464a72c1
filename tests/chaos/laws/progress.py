"""Laws of getting on: every run ends as it must, waits on something with a name, and leaves nothing held."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, RunRow, grouped
from tests.chaos.laws.families import is_taken_along
from tests.chaos.laws.flows import is_replaced
from tests.chaos.laws.law import Breach
from workflows.core.tolerance import Tolerance

_OPEN_ITEMS = ("ready", "running", "waiting")
_NONE = Tolerance(count=0)


def runs_stuck(evidence: Evidence) -> Iterator[Breach]:
    """This will find runs that have not ended in time, with what they wait for (law 2)."""
    waits = grouped(evidence.activations, key=lambda row: row.run_id)
    for run in evidence.runs.values():
        if run.state == "running":
            reasons = [
                f"{row.segment}/{row.slot} {row.state} because of {row.wait_reason}, due {row.overdue_s:.1f} s ago"
                for row in waits[run.id]
            ]
            yield Breach(run.id, f"has not ended: {'; '.join(reasons) or 'and waits for nothing'}")


def unnamed_waits(evidence: Evidence) -> Iterator[Breach]:
    """This will find moments in which an open run did not say what it waits for (law 2)."""
    if not evidence.looks:
        yield Breach(None, "nobody ever looked at the open runs")
    for run_id, what in evidence.unnamed_waits:
        yield Breach(run_id, what)


def leases_left(evidence: Evidence) -> Iterator[Breach]:
    """This will find activations of runs that have ended, and of none (law 7)."""
    for row in evidence.activations:
        run = evidence.runs.get(row.run_id)
        if run is None or run.state != "running":
            state = "missing" if run is None else run.state
            yield Breach(row.run_id, f"is {state}, and activation {row.segment}/{row.slot} of {row.owner!r} is left")


def slots_leaked(evidence: Evidence) -> Iterator[Breach]:
    """This will find what is still held when nothing is under way: places of pullers, slots of limits (law 7)."""
    for slot in evidence.slots:
        yield Breach(None, f"slot {slot.number} of {slot.limit} is still held by activation {slot.holder}")
    for row in evidence.items:
        if evidence.runs[row.run_id].state in ("succeeded", "failed") and row.slot is not None:
            yield Breach(row.run_id, f"{row.step}[{row.index}] is still held by puller {row.slot}")


def items_incomplete(evidence: Evidence) -> Iterator[Breach]:
    """This will find maps of ended runs whose items are not all there, or not all ended (laws 1 and 9)."""
    items = grouped(evidence.items, key=lambda row: (row.run_id, row.step))
    states = {(row.run_id, row.step): row.state for row in evidence.steps}
    for fanout in evidence.fanouts:
        if evidence.runs[fanout.run_id].state not in ("succeeded", "failed"):
            continue
        own = items[fanout.run_id, fanout.step]
        if sorted(row.index for row in own) != list(range(fanout.total)):
            yield Breach(fanout.run_id, f"{fanout.step} has {len(own)} items instead of {fanout.total}")
        open_ones = [row.index for row in own if row.state in _OPEN_ITEMS or row.due_at is not None]
        if open_ones or fanout.next_index != fanout.total:
            yield Breach(fanout.run_id, f"{fanout.step} ended before its items {open_ones}")
        failed = [row.index for row in own if row.state == "failed"]
        tolerance = evidence.definition(fanout.run_id, fanout.step).on_failure or _NONE
        is_well = tolerance.allows(failed=len(failed), total=fanout.total)
        if (states.get((fanout.run_id, fanout.step)) == "succeeded") != is_well:
            yield Breach(fanout.run_id, f"{fanout.step} is not {'failed' if failed else 'succeeded'} as its items are")


def wrong_ends(evidence: Evidence) -> Iterator[Breach]:
    """This will find runs that ended in a state nobody can explain, or with another result than they must (law 9)."""
    letters = grouped(evidence.letters, key=lambda row: row.run_id)
    for run in evidence.runs.values():
        workload = evidence.workloads[run.workflow_name]
        if run.state == "cancelled" and not _is_cancel_wanted(evidence, run):
            yield Breach(run.id, "is cancelled, and nobody asked for it")
        elif run.state == "succeeded" and run.output != workload.result(run.input):
            yield Breach(run.id, f"gave {run.output!r} instead of {workload.result(run.input)!r}")
        elif run.state in ("succeeded", "failed") and run.state != workload.state and not letters[run.id]:
            yield Breach(run.id, f"{run.state} instead of {workload.state}, without a dead letter")
        elif run.state in ("succeeded", "failed"):
            yield from _missing_steps(evidence, run)


def _is_cancel_wanted(evidence: Evidence, run: RunRow) -> bool:
    """By a client, by the end of the run it was started from, or by a later run of its key."""
    is_taken = any(is_taken_along(evidence, row) for row in evidence.parents_of[run.id])
    return is_taken or run.id in evidence.book.cancel_wanted or is_replaced(evidence, run)


def _missing_steps(evidence: Evidence, run: RunRow) -> Iterator[Breach]:
    owed = {name for name, step in evidence.definitions[run.version_id].items() if step.undoes is None}
    missing = owed - {row.step for row in evidence.steps_of[run.id]}
    if missing:
        yield Breach(run.id, f"{run.state} without {', '.join(sorted(missing))}")
