"""Laws of doing: nothing early, nothing again once it is completed, no effect twice for one key."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from uuid import UUID

from examples.orders.money import cents_of
from tests.chaos.evidence import Evidence, RunRow, grouped
from tests.chaos.laws.law import Breach
from tests.chaos.workloads.orders import STEP, Orders


def executed_after_completion(evidence: Evidence) -> Iterator[Breach]:
    """This will find steps and items that began again after their result was kept (law 3)."""
    for entry in evidence.ledger:
        completed_at = evidence.completed_at.get(entry.key)
        if entry.event == "begin" and completed_at is not None and _at(entry.at) > completed_at:
            late_ms = (_at(entry.at) - completed_at).total_seconds() * 1000
            what = (
                f"{entry.step} attempt {entry.attempt} began in process {entry.pid} {late_ms:.0f} ms after completion"
            )
            yield Breach(UUID(entry.run_id), what)


def repeats_unexplained(evidence: Evidence) -> Iterator[Breach]:
    """This will find completed steps that began more often than attempts and discarded results explain (law 3)."""
    begun = Counter((UUID(entry.run_id), entry.step) for entry in evidence.ledger if entry.event == "begin")
    failed = Counter((row.run_id, row.step) for row in evidence.attempts)
    discarded = Counter(
        (event.run_id, str(event.payload["step"])) for event in evidence.events if event.kind == "step.discarded"
    )
    for row in evidence.steps:
        key = (row.run_id, row.step)
        if row.state == "succeeded" and not evidence.is_map(*key) and begun[key] > 1 + failed[key] + discarded[key]:
            yield Breach(
                row.run_id,
                f"{row.step} began {begun[key]} times: {failed[key]} attempts failed, {discarded[key]} were discarded",
            )


def joins_early(evidence: Evidence) -> Iterator[Breach]:
    """This will find steps that began before all they need had ended (law 1)."""
    begun = grouped((entry for entry in evidence.ledger if entry.event == "begin"), key=lambda entry: entry.run_id)
    for run in evidence.runs.values():
        if run.round == 0:  # what a requeue brings back ends after what ran in spite of it
            ended_at = {row.step: row.ended_at for row in evidence.steps_of[run.id]}
            starts = [(row.step, row.started_at) for row in evidence.steps_of[run.id] if row.started_at is not None]
            starts += [(entry.step, _at(entry.at)) for entry in begun[str(run.id)]]
            yield from _early(evidence, run, starts=starts, ended_at=ended_at)


def _early(
    evidence: Evidence, run: RunRow, *, starts: list[tuple[str, datetime]], ended_at: Mapping[str, datetime]
) -> Iterator[Breach]:
    for step, started_at in starts:
        for need in evidence.definition(run.id, step).needs:
            if need not in ended_at:
                yield Breach(run.id, f"{step} began, and {need} has never ended")
            elif started_at < ended_at[need]:
                early_ms = (ended_at[need] - started_at).total_seconds() * 1000
                yield Breach(run.id, f"{step} began {early_ms:.1f} ms before {need} had ended")


def effects_doubled(evidence: Evidence) -> Iterator[Breach]:
    """This will find orders that the gateway was paid for more than once (law 3)."""
    for order_id, count in Counter(charge.order_id for charge in evidence.charges).items():
        if count > 1:
            yield Breach(None, f"{order_id} was charged {count} times")


def effects_missing(evidence: Evidence) -> Iterator[Breach]:
    """This will find charges of another amount, of nobody's order, and completed steps without their charge (law 5)."""
    charged = {charge.order_id: charge.amount_cents for charge in evidence.charges}
    ordered = dict(_orders(evidence))
    for order_id in charged.keys() - ordered.keys():
        yield Breach(None, f"{order_id} was charged, and no run wanted it")
    for order_id, (run, cents) in ordered.items():
        is_done = any(row.step == STEP and row.state == "succeeded" for row in evidence.steps_of[run.id])
        if (is_done or order_id in charged) and charged.get(order_id) != cents:
            yield Breach(run.id, f"{order_id} was charged {charged.get(order_id)} cents instead of {cents}")


def _orders(evidence: Evidence) -> Iterator[tuple[str, tuple[RunRow, int]]]:
    for run in evidence.runs.values():
        if run.workflow_name == Orders.name and isinstance(run.input, Mapping):
            yield str(run.input["order_id"]), (run, cents_of(str(run.input["amount"])))


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
