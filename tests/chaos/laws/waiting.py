"""Laws of waiting: no timer early, no limit exceeded."""

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from tests.chaos.evidence import Evidence, grouped
from tests.chaos.laws.law import Breach
from workflows.core.definition import StepDefinition
from workflows.core.durations import DurationInvalid, parse_duration

_FROZEN_S = 1.5
"""Who took longer may have stood still beyond its lease, and its slot was somebody else's by then."""


def timers_early(evidence: Evidence) -> Iterator[Breach]:
    """This will find waits for a time that ended before it was over."""
    for row in evidence.steps:
        wait_s = _wait_s(evidence.definition(row.run_id, row.step))
        if wait_s is None or row.state != "succeeded" or row.started_at is None:
            continue
        took_s = (row.ended_at - row.started_at).total_seconds()
        if took_s < wait_s and (row.run_id, row.step) not in evidence.given:
            yield Breach(row.run_id, f"{row.step} waited {took_s:.3f} s instead of {wait_s} s")


def limits_exceeded(evidence: Evidence) -> Iterator[Breach]:
    """This will find moments in which more attempts were at work than a limit has slots (law 7)."""
    for limit, capacity in evidence.capacities.items():
        spans = [span for span in _spans(evidence, limit=limit) if span[1] - span[0] < _FROZEN_S]
        for began, _, run_id in spans:
            beside = sum(1 for since, until, _ in spans if since <= began < until)
            if beside > capacity:
                yield Breach(run_id, f"was one of {beside} at work at {began:.3f}; {limit} has {capacity} slots")


def _wait_s(step: StepDefinition) -> float | None:
    """How long a step has to wait, if its definition says so once and for all, and nothing else can end it."""
    if step.uses != "wait" or step.for_each is not None or "event" in step.inputs:
        return None
    try:
        return parse_duration(step.inputs.get("for"))
    except DurationInvalid:
        return None


def _spans(evidence: Evidence, *, limit: str) -> Iterator[tuple[float, float, UUID]]:
    """When each attempt that came to its effect began and ended, if its step has the limit."""
    entries = [
        entry for entry in evidence.ledger if limit in evidence.definition(UUID(entry.run_id), entry.step).limits
    ]
    for own in grouped(entries, key=lambda one: (one.key, one.attempt, one.pid)).values():
        at: Mapping[str, Sequence[float]] = {
            event: [one.at for one in own if one.event == event] for event in ("begin", "effect")
        }
        for began, ended in zip(at["begin"], at["effect"], strict=False):
            yield began, ended, UUID(own[0].run_id)
