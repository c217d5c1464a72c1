"""Laws of delays: each is what the retry rule gives, what was asked for is never shortened, and no retry is early."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from tests.chaos.evidence import AttemptRow, Evidence
from tests.chaos.laws.law import Breach
from tests.chaos.workloads.orders import RETRY_AFTER_S, Orders
from workflows.core.definition import Jitter, RetryPolicy
from workflows.core.identity import idempotency_key

_ROUNDED_S = 1e-6
_CLOCKS_S = 0.005
"""How far two readings of one machine's clock by two programs may lie apart."""


def delays_wrong(evidence: Evidence) -> Iterator[Breach]:
    """This will find delays that the retry rule does not give, or shorter than the outside asked for (law 9)."""
    for row in evidence.attempts:
        if row.delay_s is None:
            continue
        if row.kind == "lost" and row.index is None and row.delay_s == 0:
            continue  # a step goes on at once with whoever takes it back: the lease that ran out was its pause
        shortest_s, longest_s = _bounds(evidence.definition(row.run_id, row.step).retry, attempt=row.attempt)
        if row.kind == "throttled" and evidence.runs[row.run_id].workflow_name == Orders.name:
            shortest_s, longest_s = max(shortest_s, RETRY_AFTER_S), max(longest_s, RETRY_AFTER_S)
        if not shortest_s - _ROUNDED_S <= row.delay_s <= longest_s + _ROUNDED_S:
            what = f"{_name(row)} ({row.kind}) gave a delay of {row.delay_s:.3f} s"
            yield Breach(row.run_id, f"{what} instead of {shortest_s:.3f} to {longest_s:.3f} s")


def retries_early(evidence: Evidence) -> Iterator[Breach]:
    """This will find attempts that began before the delay of the attempt before them was over (law 9)."""
    begun = dict(_beginnings(evidence))
    for row in evidence.attempts:
        if row.delay_s is None or row.ended_at is None:
            continue
        key = idempotency_key(run=row.run_id, step=row.step, index=row.index)
        began_at = begun.get((key, row.round, row.attempt + 1))
        if began_at is not None:
            waited_s = (began_at - row.ended_at).total_seconds()
            if waited_s < row.delay_s - _CLOCKS_S:
                what = f"was tried again after {waited_s:.3f} s instead of {row.delay_s:.3f} s"
                yield Breach(row.run_id, f"{_name(row)} {what}")


def _bounds(policy: RetryPolicy, *, attempt: int) -> tuple[float, float]:
    """What the documentation says of a delay: first x factor for each attempt before, up to the cap; then jitter."""
    base_s = min(policy.cap_s, policy.first_s * policy.factor ** (attempt - 1))
    match policy.jitter:
        case Jitter.NONE:
            return base_s, base_s
        case Jitter.FULL:
            return 0.0, base_s
        case Jitter.EQUAL:
            return base_s / 2, base_s
        case Jitter.DECORRELATED:
            return policy.first_s, policy.cap_s


def _beginnings(evidence: Evidence) -> Iterator[tuple[tuple[str, int, int], datetime]]:
    """When each attempt (key, round, number) began at the earliest: those that failed, and those of the ledger.

    The ledger knows no rounds, so it counts where there was one.
    """
    found: dict[tuple[str, int, int], datetime] = {}
    for row in evidence.attempts:
        if row.started_at is not None and row.kind != "lost":  # when a lost one began is not known for certain
            key = idempotency_key(run=row.run_id, step=row.step, index=row.index)
            found[key, row.round, row.attempt] = row.started_at
    for entry in evidence.ledger:
        run = evidence.runs.get(UUID(entry.run_id))
        if entry.event == "begin" and run is not None and run.round == 0:
            place, at = (entry.key, 0, entry.attempt), datetime.fromtimestamp(entry.at, UTC)
            found[place] = min(at, found.get(place, at))
    yield from found.items()


def _name(row: AttemptRow) -> str:
    index = "" if row.index is None else f"[{row.index}]"
    return f"attempt {row.attempt} of {row.step}{index}"
