"""Laws of flow control: no more runs of a key than may be, none too soon, no start lost among others."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from tests.chaos.arrivals import Join
from tests.chaos.evidence import Evidence, RunRow, grouped
from tests.chaos.laws.law import Breach
from tests.chaos.workloads.flows import Batched, Debounced, items_of
from tests.chaos.workloads.workload import Workload

_CLOCKS_S = 0.005


def runs_beside(evidence: Evidence) -> Iterator[Breach]:
    """This will find moments in which more runs of a key were under way than may be (law 7).

    From the first thing a run did until its end was written down, it held its slot for certain.
    """
    for workload, key, runs in _keyed(evidence):
        spans = [(evidence.begun_at[run.id], run) for run in runs if run.id in evidence.begun_at and run.round == 0]
        for began, run in spans:
            beside = sum(1 for since, other in spans if since <= began < _ended(other))
            if workload.beside is not None and beside > workload.beside and began < _ended(run):
                yield Breach(run.id, f"was one of {beside} runs of {workload.name} {key} that were under way")


def runs_too_soon(evidence: Evidence) -> Iterator[Breach]:
    """This will find runs that began before their turn: a burst at once, then one in each interval (law 9)."""
    for workload, key, runs in _keyed(evidence):
        turns = workload.turns
        began = sorted((evidence.begun_at[run.id], run.id) for run in runs if run.id in evidence.begun_at)
        if turns is None or not began:
            continue
        earliest = min(run.created_at.timestamp() for run in runs)
        for place, (at, run_id) in enumerate(began):
            early_s = earliest + (place + 1 - turns.burst) * turns.every_s - at
            if early_s > _CLOCKS_S:
                yield Breach(run_id, f"number {place + 1} of {workload.name} {key} began {early_s:.3f} s too soon")


def starts_joined_wrongly(evidence: Evidence) -> Iterator[Breach]:
    """This will find starts that are not in the run they were answered with, or in another one too (law 5)."""
    items: Counter[object] = Counter()
    for run in evidence.runs_of.get(Batched.name, ()):
        items.update(item["number"] for item in items_of(run.input))
        if len({item["customer"] for item in items_of(run.input)}) > 1:
            yield Breach(run.id, "is a batch of several keys")
    for number, count in items.items():
        if count > 1:
            yield Breach(None, f"start {number} is {count} times in batches")
    for join in evidence.book.joins:
        run_found = evidence.runs.get(join.run_id)
        if run_found is None:
            yield Breach(join.run_id, f"was promised for start {join.number} and does not exist")
        elif not _is_in(run_found, join=join, workload=evidence.workloads[run_found.workflow_name]):
            yield Breach(join.run_id, f"stands for start {join.number}, and its input is {run_found.input!r}")
    yield from _overwritten(evidence)


def _overwritten(evidence: Evidence) -> Iterator[Breach]:
    """Debounced runs that began with another input than the latest: one that came after the answer of theirs."""
    for run in evidence.runs_of.get(Debounced.name, ()):
        joins = sorted(
            (join for join in evidence.book.joins if join.run_id == run.id), key=lambda join: join.answered_at
        )
        own = next((join for join in joins if join.value == run.input), None)
        later = [join.number for join in joins if own is not None and join.sent_at > own.answered_at]
        if later:
            yield Breach(run.id, f"has the input {run.input!r}, and the starts {later} came after it")


def places_left(evidence: Evidence) -> Iterator[Breach]:
    """This will find places at gates, held or in line, of runs that have ended (law 7)."""
    for row in evidence.places:
        run = evidence.runs.get(row.run_id)
        if run is None or run.state != "running":
            yield Breach(row.run_id, f"has ended, and has place {row.number} at {row.gate}")


def is_replaced(evidence: Evidence, run: RunRow) -> bool:
    """This will tell whether a run had to make way for a later one of its key."""
    workload = evidence.workloads[run.workflow_name]
    if not workload.makes_way:
        return False
    own, others = workload.key(run.input), evidence.runs_of[run.workflow_name]
    return any(
        other.id != run.id and workload.key(other.input) == own and _ended(other) >= _ended(run) for other in others
    )


def _keyed(evidence: Evidence) -> Iterator[tuple[Workload, str, Sequence[RunRow]]]:
    for name, runs in evidence.runs_of.items():
        workload = evidence.workloads[name]
        if workload.beside is not None or workload.turns is not None:
            for key, own in grouped(runs, key=lambda run: workload.key(run.input)).items():
                yield workload, key, own


def _is_in(run: RunRow, *, join: Join, workload: Workload) -> bool:
    if run.workflow_name == Batched.name:
        return join.value in items_of(run.input)
    return workload.key(run.input) == workload.key(join.value)


def _ended(run: RunRow) -> float:
    return (run.ended_at or datetime.max.replace(tzinfo=UTC)).timestamp()
