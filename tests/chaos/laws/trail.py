"""Laws of the trail: each change has exactly one event, each event its change, and no event was altered."""

from collections import Counter
from collections.abc import Iterator, Sequence
from uuid import UUID

from tests.chaos.evidence import EventRow, Evidence, RunRow
from tests.chaos.laws.law import Breach

_RUN_ENDS = ("run.succeeded", "run.failed", "run.cancelled")
_STEP_ENDS = {"succeeded", "skipped", "upstream_failed"}
"""States of steps that are told by one event; failures are counted by their dead letters, cancellations by the run."""

_REPEATS = ("step.retrying", "step.repeating", "step.lost", "item.retrying")


def run_gaps(evidence: Evidence) -> Iterator[Breach]:
    """This will compare starts, requeues and ends of runs with their events (law 6)."""
    for run in evidence.runs.values():
        kinds = Counter(event.kind for event in evidence.events_of[run.id])
        if kinds["run.started"] != 1:
            yield Breach(run.id, f"has {kinds['run.started']} run.started events")
        first = sum(1 for event in evidence.events_of[run.id] if event.payload.get("retry_of"))  # it begins in round 1
        requeued, by_hand = (
            kinds["run.requeued"],
            kinds["result.set"],
        )  # a result set by hand may take a round of its own
        if not requeued <= run.round - first <= requeued + by_hand:
            yield Breach(run.id, f"was requeued {run.round - first} times, and its trail tells {requeued} + {by_hand}")
        yield from _end_gaps(run, events=evidence.events_of[run.id])
    for run_id in evidence.events_of.keys() - evidence.runs.keys():
        yield Breach(run_id, "has events and does not exist")


def _end_gaps(run: RunRow, *, events: Sequence[EventRow]) -> Iterator[Breach]:
    ends = [event.kind for event in events if event.kind in _RUN_ENDS]
    if run.state == "running":
        return
    if not ends or ends[-1] != f"run.{run.state}":
        yield Breach(run.id, f"is {run.state}, and its ends in the trail are {ends}")
        return
    undone = sum(1 for event in events if event.payload.get("is_on_demand"))
    if len(ends) > run.round + 1 + undone:
        yield Breach(run.id, f"ended {len(ends)} times in the trail in {run.round + 1} rounds, {undone} times undone")


def step_gaps(evidence: Evidence) -> Iterator[Breach]:
    """This will compare ended steps with their events (law 6)."""
    kinds = {f"step.{state}" for state in _STEP_ENDS}
    told = Counter(
        (event.run_id, str(event.payload["step"]), event.kind) for event in evidence.events if event.kind in kinds
    )
    kept = Counter((row.run_id, row.step, f"step.{row.state}") for row in evidence.steps if row.state in _STEP_ENDS)
    for key in told.keys() | kept.keys():
        run_id, step, kind = key
        if (run_id, step) in evidence.carried:
            continue
        is_redecided = kind == "step.upstream_failed" and evidence.runs[run_id].round > 0
        if told[key] != kept[key] and not (is_redecided and told[key] > kept[key]):
            yield Breach(run_id, f"{step} has {kept[key]} rows and {told[key]} events {kind}")


def attempt_gaps(evidence: Evidence) -> Iterator[Breach]:
    """This will compare attempts without success with their events (law 6)."""
    kept: Counter[tuple[UUID, str, int | None]] = Counter()
    for row in evidence.attempts:
        if row.delay_s is not None:
            kept[row.run_id, row.step, row.index] += 1
    told: Counter[tuple[UUID, str, int | None]] = Counter()
    for event in evidence.events:
        if event.kind in _REPEATS:
            index = event.payload.get("index")
            told[event.run_id, str(event.payload["step"]), index if isinstance(index, int) else None] += 1
    for key in told.keys() | kept.keys():
        if told[key] != kept[key]:
            yield Breach(key[0], f"{key[1]}[{key[2]}] has {kept[key]} repeated attempts and {told[key]} events of them")


def item_gaps(evidence: Evidence) -> Iterator[Breach]:
    """This will compare succeeded items with the events that name them (law 6)."""
    told: Counter[tuple[UUID, str, int]] = Counter()
    for event in evidence.events:
        indexes = event.payload.get("indexes")
        if event.kind == "items.succeeded" and isinstance(indexes, list):
            told.update((event.run_id, str(event.payload["step"]), index) for index in indexes)
    kept = Counter((row.run_id, row.step, row.index) for row in evidence.items if row.state == "succeeded")
    for key in told.keys() | kept.keys():
        if told[key] != kept[key] and (key[0], key[1]) not in evidence.carried:
            yield Breach(key[0], f"{key[1]}[{key[2]}] succeeded {kept[key]} times and is told {told[key]} times")


def letter_gaps(evidence: Evidence) -> Iterator[Breach]:
    """This will compare dead letters, and the failures that made them, with their events (law 6)."""
    told: Counter[object] = Counter(
        event.payload["dead_letter"] for event in evidence.events if event.kind == "dead_letter.created"
    )
    kept: Counter[object] = Counter(row.id for row in evidence.letters)
    for letter in told.keys() | kept.keys():
        if told[letter] != kept[letter]:
            yield Breach(None, f"dead letter {letter}: {kept[letter]} rows, {told[letter]} events")
    failures: Counter[tuple[UUID, str, object]] = Counter(
        (event.run_id, str(event.payload["step"]), event.payload.get("index"))
        for event in evidence.events
        if event.kind == "item.failed"
        or (event.kind == "step.failed" and not evidence.is_map(event.run_id, str(event.payload["step"])))
    )
    of_steps = [row for row in evidence.letters if row.step]  # others are those of runs past their deadline
    letters: Counter[tuple[UUID, str, object]] = Counter((row.run_id, row.step, row.index) for row in of_steps)
    for key in failures.keys() | letters.keys():
        is_tolerant = evidence.definition(key[0], key[1]).on_failure is not None  # what it tolerates leaves no letter
        if failures[key] != letters[key] and not (is_tolerant and letters[key] < failures[key]):
            yield Breach(key[0], f"{key[1]}[{key[2]}]: {letters[key]} dead letters, {failures[key]} events of failure")


def failures_untold(evidence: Evidence) -> Iterator[Breach]:
    """This will find steps that failed without a dead letter: what nobody is told of, nobody mends."""
    told = {(row.run_id, row.step) for row in evidence.letters}
    for row in evidence.steps:
        if row.state == "failed" and (row.run_id, row.step) not in told | evidence.carried:
            yield Breach(row.run_id, f"{row.step} has failed, and there is no dead letter")


def letters_unexplained(evidence: Evidence) -> Iterator[Breach]:
    """This will find dead letters of steps that neither fail on purpose nor used up their attempts (law 9)."""
    for row in evidence.letters:
        workload = evidence.workloads[evidence.runs[row.run_id].workflow_name]
        allowed = evidence.definition(row.run_id, row.step).retry.attempts
        if row.step not in workload.failing and row.attempts < allowed:
            what = f"{row.step}[{row.index}] is a dead letter ({row.kind}) after {row.attempts} of {allowed} attempts"
            yield Breach(row.run_id, what)
        elif workload.requeues and row.state == "open":
            yield Breach(row.run_id, f"{row.step}[{row.index}] is still a dead letter, though it can succeed")


def forged(evidence: Evidence) -> Iterator[Breach]:
    """This will find events whose digest does not fit (law 6)."""
    for event in evidence.events:
        if not event.is_genuine:
            yield Breach(event.run_id, f"event {event.id} {event.kind} does not fit its digest")
