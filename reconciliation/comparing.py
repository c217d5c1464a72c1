"""Carries a comparison out: reads both sides, keeps what differs in a temporary file, and has it applied at the end.

Nothing is written before both sides were read to their ends, so that a comparison that is killed has changed nothing.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import IO
from uuid import UUID

import orjson
from django.utils import timezone

from audit.events import Actor
from reconciliation import operations
from reconciliation.core.comparators import Comparator, Money, number
from reconciliation.core.compare import Comparison, NotSorted, Variance, VarianceKind
from reconciliation.core.counts import Counts
from reconciliation.core.record import Side, Value, as_text
from reconciliation.errors import SourceFailed, TooManyVariances
from reconciliation.jobs.spec import JobSpec
from reconciliation.models import Comparison as ComparisonRow
from reconciliation.operations import Begun, Finding
from reconciliation.pulse import Pulse
from reconciliation.queries import get_comparison
from reconciliation.reading.presenting import evidence
from reconciliation.reading.sides import Asked, opened

_HELD_BYTES = 1_000_000
RENEWED_EVERY_S = 15.0
"""A quarter of the lease."""


def carry_out(
    *,
    name: str,
    is_dry_run: bool,
    actor: Actor,
    now: datetime,
    run_id: UUID | None = None,
    alive: Callable[[int], None] = lambda _rows: None,
) -> ComparisonRow:
    """This will compare a job now and give its comparison, with everything applied.

    `alive` is told the number of rows read so far, every few seconds. The same `run_id` again is the same
    comparison.
    Raises UnknownJob, JobDisabled, ComparisonUnderWay, SourceFailed, TooManyVariances, ComparisonLost, CallFailed.
    """
    begun = operations.begin(name=name, is_dry_run=is_dry_run, actor=actor, now=now, run_id=run_id)
    if begun.is_done:
        return get_comparison(begun.comparison_id)
    try:
        with tempfile.SpooledTemporaryFile(max_size=_HELD_BYTES, prefix="reconcile-") as file:
            pulse = Pulse(
                renew=lambda: operations.renew(begun, now=timezone.now()),
                alive=alive,
                renewed_every_s=RENEWED_EVERY_S,
            )
            with pulse.kept():
                found = _read(begun, file=file, run_id=run_id, pulse=pulse)
            return operations.conclude(
                begun,
                findings=_kept(file),
                counts=found.counts,
                skipped=found.skipped,
                outside=found.outside,
                now=timezone.now(),
            )
    except Exception as error:
        operations.fail(begun, error=f"{error}" or type(error).__name__, now=timezone.now())
        raise


@dataclass(slots=True)
class _Found:
    """What was read, and what of it is not judged."""

    counts: Counts = field(default_factory=Counts)
    skipped: int = 0
    outside: int = 0


def _read(begun: Begun, *, file: IO[bytes], run_id: UUID | None, pulse: Pulse) -> _Found:
    spec = begun.spec
    window = spec.window.at(begun.started_at) if spec.window else None
    asked = Asked(
        window=window,
        now=begun.started_at,
        run_id=str(run_id or ""),
        correlation_id=f"reconciliation/{spec.name}",
        pulse=pulse,
    )
    found = _Found()
    judged = 0
    comparison = Comparison(fields=spec.fields, counts=found.counts)
    with opened(spec, asked=asked) as streams:
        found.skipped = streams.skipped
        found.counts.skip(rows=streams.skipped)
        try:
            for variance in comparison.compare(left=streams.left, right=streams.right):
                if window is not None and not window.holds(_time(spec, variance)):
                    found.outside += 1
                    continue
                judged += 1
                if judged > spec.most_variances:
                    raise TooManyVariances(spec.most_variances)
                file.write(_line(spec, variance))
        except NotSorted as error:
            hint = "leave `sorted` out, so that it is sorted here"
            raise SourceFailed(f"{error} ({hint})", side=error.side.value) from error
    return found


def _line(spec: JobSpec, variance: Variance) -> bytes:
    """A finding as a line of JSON."""
    left = evidence(variance.left, spec=spec, side=Side.LEFT)
    right = evidence(variance.right, spec=spec, side=Side.RIGHT)
    seen = [variance.fields, left, right, variance.occurrences]
    content = orjson.dumps(seen, option=orjson.OPT_SORT_KEYS)
    at = _time(spec, variance)
    amount = _amount(spec, variance)
    line = {
        "key": variance.key,
        "kind": variance.kind.value,
        "fields": variance.fields,
        "left": left,
        "right": right,
        "occurrences": variance.occurrences,
        "amount": None if amount is None else f"{amount:f}",
        "at": None if at is None else at.isoformat(),
        "trace": _trace(spec, variance),
        "digest": hashlib.sha256(content + _raw(variance)).hexdigest(),
    }
    return orjson.dumps(line) + b"\n"


def _kept(file: IO[bytes]) -> Iterator[Finding]:
    file.seek(0)
    for line in file:
        one = orjson.loads(line)
        one["kind"] = VarianceKind(one["kind"])
        one["amount"] = None if one["amount"] is None else Decimal(one["amount"])
        one["at"] = None if one["at"] is None else datetime.fromisoformat(one["at"])
        yield Finding(**one)


def _raw(variance: Variance) -> bytes:
    """What is kept masked counts, too: other values are another variance."""
    return repr([record and record.values for record in (variance.left, variance.right)]).encode()


def _time(spec: JobSpec, variance: Variance) -> datetime | None:
    return None if spec.clock is None else spec.clock.time_of(variance)


def _trace(spec: JobSpec, variance: Variance) -> str:
    """The value that leads to the call or run: of the side that has it."""
    for record, side in ((variance.right, spec.right), (variance.left, spec.left)):
        if record is not None and side.trace and record.row.get(side.trace) is not None:
            return (as_text(record.row[side.trace]) or "")[:200]
    return ""


def _amount(spec: JobSpec, variance: Variance) -> Decimal | None:
    """How much money it is about: the difference, or all of a record that stands alone; None: it cannot be read."""
    place = next((place for place, one in enumerate(spec.fields) if one.name == spec.amount), None)
    if place is None:
        return None
    comparator = spec.fields[place].comparator
    sides = ((variance.left, Side.LEFT), (variance.right, Side.RIGHT))
    found = [_worth(record.values[place], comparator, side=side) for record, side in sides if record is not None]
    if None in found:
        return None
    amounts = [amount for amount in found if amount is not None]
    return abs(amounts[0] - amounts[1]) if len(amounts) == len(sides) else amounts[0]


def _worth(value: Value, comparator: Comparator, *, side: Side) -> Decimal | None:
    if isinstance(comparator, Money):
        is_minor = comparator.minor_left if side is Side.LEFT else comparator.minor_right
        found = comparator.amount(value, is_minor=is_minor)
    else:
        found = number(value)
    return None if found is None or abs(found) >= _TOO_LARGE else found


_TOO_LARGE = Decimal(10) ** 24
"""What the column cannot hold."""
