"""Laws of schedules: each due time fires once, starts what its policy says, once, and the trail tells it once."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from tests.chaos.arrivals import FireRow
from tests.chaos.evidence import Evidence, RunRow, grouped
from tests.chaos.laws.law import Breach
from tests.chaos.workloads.schedules import Scheduled

_MISSED = timedelta(seconds=60)
"""Recorded later than this, a due time counts as missed; the documentation says so."""
_NOTICED = timedelta(seconds=120)
"""So long after its end a run may still count as under way: whoever notices ends was under fire, too."""
_SKIPPING = ("skip", "buffer_one")


def fires_missed(evidence: Evidence) -> Iterator[Breach]:
    """This will find due times without a fire, and fires that did not start what they had to (law 10)."""
    fires = grouped(evidence.fires, key=lambda row: row.workflow)
    for workflow, times in evidence.book.timetable.items():
        own = sorted(fires[workflow], key=lambda row: row.due_at)
        for due_at in set(times.all()) - {row.due_at for row in own}:
            yield Breach(None, f"{workflow} was due at {due_at:%H:%M:%S.%f}, and there is no fire")
        workload = evidence.workloads[workflow]
        assert isinstance(workload, Scheduled)
        for fire, following in pairwise([*own, None]):
            assert fire is not None
            yield from _wrong(evidence, workload, fire=fire, following=following)


def fires_doubled(evidence: Evidence) -> Iterator[Breach]:
    """This will find fires at times that are not due, several for one, and runs that no fire or the same began."""
    timetable = {workflow: set(times.all()) for workflow, times in evidence.book.timetable.items()}
    for (workflow, due_at), rows in grouped(evidence.fires, key=lambda row: (row.workflow, row.due_at)).items():
        if len(rows) > 1 or due_at not in timetable.get(workflow, set()):
            is_due = "due" if due_at in timetable.get(workflow, set()) else "not due"
            yield Breach(None, f"{workflow} is {is_due} at {due_at:%H:%M:%S.%f}, and has {len(rows)} fires")
    begun = Counter(row.run_id for row in evidence.fires if row.run_id is not None)
    for workflow in timetable:
        dues = Counter(_due_at(run) for run in evidence.runs_of.get(workflow, ()))
        for run in evidence.runs_of.get(workflow, ()):
            if begun[run.id] != 1:
                yield Breach(run.id, f"was begun by {begun[run.id]} fires of {workflow}")
            if dues[_due_at(run)] > 1:
                yield Breach(run.id, f"is one of {dues[_due_at(run)]} runs of {workflow} for {_due_at(run)}")


def fire_gaps(evidence: Evidence) -> Iterator[Breach]:
    """This will compare what became of each fire with the one event that tells it (law 6)."""
    told = Counter((row.workflow, row.due_at, row.state) for row in evidence.fire_events)
    for row in evidence.fires:
        if told[row.workflow, row.due_at, row.state] != 1:
            count = told[row.workflow, row.due_at, row.state]
            yield Breach(row.run_id, f"{_name(row)} is {row.state}, and {count} events say so")


def _wrong(evidence: Evidence, workload: Scheduled, *, fire: FireRow, following: FireRow | None) -> Iterator[Breach]:
    run = None if fire.run_id is None else evidence.runs.get(fire.run_id)
    if fire.state == "started":
        if run is None or _due_at(run) != fire.due_at:
            yield Breach(fire.run_id, f"{_name(fire)} is started, and its run is {run}")
        if _is_missed(fire) and workload.misfire == "skip":
            yield Breach(fire.run_id, f"{_name(fire)} was missed and had to be skipped")
        return
    if fire.state == "skipped" and fire.reason == "misfire" and _may_miss(workload, fire=fire, following=following):
        return
    if fire.state == "skipped" and fire.reason == "overlap" and workload.overlap in _SKIPPING:
        if not _was_busy(evidence.runs_of.get(fire.workflow, ()), fire=fire):
            yield Breach(None, f"{_name(fire)} was skipped, and no run was under way")
        return
    yield Breach(None, f"{_name(fire)} is {fire.state} {fire.reason}".rstrip() + f", overlap: {workload.overlap}")


def _may_miss(workload: Scheduled, *, fire: FireRow, following: FireRow | None) -> bool:
    """Skipped is what was missed and must not be made up for, or what a later time stands for."""
    is_last = following is None or fire.settled_at is None or following.due_at > fire.settled_at
    allowed: Mapping[str, bool] = {"skip": True, "latest": not is_last, "all": False}
    return _is_missed(fire) and allowed[workload.misfire]


def _is_missed(fire: FireRow) -> bool:
    return fire.recorded_at - fire.fire_at > _MISSED


def _was_busy(runs: Sequence[RunRow], *, fire: FireRow) -> bool:
    settled_at = fire.settled_at or fire.recorded_at
    return any(run.ended_at is None or run.ended_at > settled_at - _NOTICED for run in _before(runs, settled_at))


def _before(runs: Sequence[RunRow], at: datetime) -> Iterator[RunRow]:
    return (run for run in runs if run.created_at <= at)


def _due_at(run: RunRow) -> datetime | None:
    due_at = run.input.get("due_at") if isinstance(run.input, Mapping) else None
    return datetime.fromisoformat(str(due_at)) if due_at is not None else None


def _name(fire: FireRow) -> str:
    return f"the fire of {fire.workflow} at {fire.due_at:%H:%M:%S.%f}"
