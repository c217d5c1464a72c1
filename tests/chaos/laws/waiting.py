"""Laws of waiting: no timer early, no limit exceeded."""

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from tests.chaos.evidence import Evidence, grouped
from tests.chaos.laws.law import Breach
from tests.chaos.workloads.limits import CAPACITY, LIMIT
from tests.chaos.workloads.waits import WAIT_S, Timers
from tests.flows.ledger import Entry

_FROZEN_S = 1.5
"""Who took longer may have stood still beyond its lease, and its slot was somebody else's by then."""


def timers_early(evidence: Evidence) -> Iterator[Breach]:
    """This will find waits that ended before their time."""
    for row in evidence.steps:
        is_timer = evidence.runs[row.run_id].workflow_name == Timers.name and row.step == "pause"
        if is_timer and row.state == "succeeded" and row.started_at is not None:
            took_s = (row.ended_at - row.started_at).total_seconds()
            if took_s < WAIT_S:
                yield Breach(row.run_id, f"{row.step} waited {took_s:.3f} s instead of {WAIT_S} s")


def limits_exceeded(evidence: Evidence) -> Iterator[Breach]:
    """This will find moments in which more attempts were at work than the limit has slots (law 7)."""
    spans = [span for span in _spans(evidence) if span[1] - span[0] < _FROZEN_S]
    for began, _, run_id in spans:
        beside = sum(1 for since, until, _ in spans if since <= began < until)
        if beside > CAPACITY:
            yield Breach(run_id, f"was one of {beside} at work at {began:.3f}; {LIMIT} has {CAPACITY} slots")


def _spans(evidence: Evidence) -> Iterator[tuple[float, float, UUID]]:
    """When each attempt that came to its effect began and ended, if its step has the limit."""
    entries = [entry for entry in evidence.ledger if _is_limited(evidence, entry)]
    for own in grouped(entries, key=lambda one: (one.key, one.attempt, one.pid)).values():
        at: Mapping[str, Sequence[float]] = {
            event: [one.at for one in own if one.event == event] for event in ("begin", "effect")
        }
        for began, ended in zip(at["begin"], at["effect"], strict=False):
            yield began, ended, UUID(own[0].run_id)


def _is_limited(evidence: Evidence, entry: Entry) -> bool:
    return LIMIT in evidence.definition(UUID(entry.run_id), entry.step).limits
