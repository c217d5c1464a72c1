"""Applies what a comparison found, in one transaction: all of it or nothing, and only by who holds the comparison."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import TypeVar

from django.db import transaction

from audit import operations as audit
from audit.events import Event, EventKind
from reconciliation.core.compare import VarianceKind
from reconciliation.core.counts import Counts
from reconciliation.core.lifecycle import Known, Turn, VarianceState, seen, unseen
from reconciliation.core.window import Window, is_in_flight
from reconciliation.errors import ComparisonLost
from reconciliation.models import Comparison, Variance
from reconciliation.operations import planning
from reconciliation.operations.beginning import Begun
from reconciliation.operations.trail import ENGINE, of_comparison, of_variance
from reconciliation.states import ComparisonState
from workflows.core.definition import JsonValue

_AT_ONCE = 500
_SAMPLES = 100
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A variance as it is kept. `digest` is that of both sides and what differs."""

    key: str
    kind: VarianceKind
    fields: Sequence[str]
    left: dict[str, JsonValue] | None
    right: dict[str, JsonValue] | None
    occurrences: int
    amount: Decimal | None
    at: datetime | None
    trace: str
    digest: str


@dataclass(slots=True)
class _Tally:
    """What became of the variances of one comparison."""

    found: int = 0
    opened: int = 0
    pending: int = 0
    reopened: int = 0
    confirmed: int = 0
    vanished: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)


def conclude(
    begun: Begun, *, findings: Iterable[Finding], counts: Counts, skipped: int, outside: int, now: datetime
) -> Comparison:
    """This will make the variances of the job what the comparison found, and plan what rules repair of them.

    `findings` come once for each key and kind. A comparison that was taken over changes nothing: ComparisonLost.
    """
    with transaction.atomic():
        mine = Comparison.objects.select_for_update().select_related("job", "version")
        row = mine.filter(id=begun.comparison_id, epoch=begun.epoch, state=ComparisonState.RUNNING).first()
        if row is None:
            raise ComparisonLost(begun.comparison_id)
        tally = _Tally()
        for chunk in _chunks(findings):
            if row.is_dry_run:
                _show(row, chunk, begun=begun, tally=tally)
            else:
                _apply(row, chunk, begun=begun, tally=tally, now=now)
        if not row.is_dry_run:
            _close_unseen(row, tally=tally, now=now)
        for name, value in (*asdict(counts).items(), *asdict(tally).items()):
            setattr(row, name, value)
        row.skipped, row.outside = skipped, outside
        row.state, row.ended_at = ComparisonState.DONE, now
        if not row.is_dry_run:
            row.plan = planning.plan(row, spec=begun.spec, now=now)
        alive = Variance.objects.filter(job=row.job, state__in=(VarianceState.OPEN, VarianceState.DISPUTED))
        row.standing = alive.count()
        row.save()
        audit.record(_compared(row, counts=counts, now=now))
    return row


def _show(row: Comparison, chunk: Sequence[Finding], *, begun: Begun, tally: _Tally) -> None:
    """A dry run only counts, and keeps some of what it found with what the rules would do about it."""
    for finding in chunk:
        tally.found += 1
        tally.by_kind[finding.kind.value] = tally.by_kind.get(finding.kind.value, 0) + 1
        tally.pending += is_in_flight(finding.at, grace=begun.spec.grace, now=begun.started_at)
    kept = chunk[: _SAMPLES - len(row.samples)]
    row.samples = [*row.samples, *(_sample(finding) for finding in kept)]
    row.plan = planning.add(row.plan, planning.shown(begun.spec, chunk))


def _sample(finding: Finding) -> dict[str, object]:
    names = ("key", "kind", "fields", "left", "right", "occurrences")
    return {name: getattr(finding, name) for name in names}


def _apply(row: Comparison, chunk: Sequence[Finding], *, begun: Begun, tally: _Tally, now: datetime) -> None:
    alive = Variance.objects.select_for_update().filter(job=row.job, key__in={one.key for one in chunk})
    alive = alive.exclude(state=VarianceState.CLOSED).order_by("id")
    known = {(one.key, one.kind): one for one in alive}
    new: list[Variance] = []
    changed: list[tuple[Variance, Turn]] = []
    for finding in chunk:
        tally.found += 1
        tally.by_kind[finding.kind.value] = tally.by_kind.get(finding.kind.value, 0) + 1
        in_flight = is_in_flight(finding.at, grace=begun.spec.grace, now=begun.started_at)
        before = known.get((finding.key, finding.kind))
        state, turn = seen(_known(before, finding, row=row), is_in_flight=in_flight)
        tally.pending += state is VarianceState.PENDING
        if before is None:
            new.append(_new(row, finding, state=state, now=now))
            tally.opened += 1
            continue
        tally.reopened += turn is Turn.REOPENED
        changed.append((_changed(before, finding, row=row, state=state, turn=turn, now=now), turn))
    Variance.objects.bulk_create(new)
    Variance.objects.bulk_update([one for one, _ in changed], _WRITTEN)
    told = [(one, EventKind.VARIANCE_OPENED) for one in new]
    told += [(one, _WORDS[turn]) for one, turn in changed if turn in _WORDS]
    audit.record(*(_event(kind, one, row=row, now=now, state=str(one.state)) for one, kind in told))


_WORDS = {Turn.FOUND: EventKind.VARIANCE_OPENED, Turn.REOPENED: EventKind.VARIANCE_REOPENED}
_WRITTEN = [
    "state", "fields", "left", "right", "occurrences", "amount", "at", "trace", "digest", "last_seen_at", "seen",
    "reopened", "last_comparison",
]  # fmt: skip


def _known(before: Variance | None, finding: Finding, *, row: Comparison) -> Known | None:
    if before is None:
        return None
    is_covered = before.repaired_at is None or before.repaired_at <= row.started_at
    return Known(state=VarianceState(before.state), is_same=before.digest == finding.digest, is_covered=is_covered)


def _new(row: Comparison, finding: Finding, *, state: VarianceState, now: datetime) -> Variance:
    return Variance(
        job=row.job,
        key=finding.key,
        kind=finding.kind,
        state=state,
        first_seen_at=now,
        last_seen_at=now,
        first_comparison=row,
        last_comparison=row,
        **_content(finding),
    )


def _changed(
    before: Variance, finding: Finding, *, row: Comparison, state: VarianceState, turn: Turn, now: datetime
) -> Variance:
    for name, value in _content(finding).items():
        setattr(before, name, value)
    before.state, before.last_seen_at, before.last_comparison = state, now, row
    before.seen += 1
    before.reopened += turn is Turn.REOPENED
    return before


def _content(finding: Finding) -> dict[str, object]:
    names = ("left", "right", "occurrences", "amount", "at", "trace", "digest")
    return {"fields": list(finding.fields), **{name: getattr(finding, name) for name in names}}


def _close_unseen(row: Comparison, *, tally: _Tally, now: datetime) -> None:
    """Nobody looked for what lies outside of the window; what was repaired while it was read is for the next one."""
    window = None
    if row.window_from is not None and row.window_to is not None:
        window = Window(begins_at=row.window_from, ends_at=row.window_to)
    rest = Variance.objects.filter(job=row.job).exclude(state=VarianceState.CLOSED).exclude(last_comparison=row)
    for chunk in _chunks(rest.select_for_update().order_by("id").iterator(_AT_ONCE)):
        gone: list[Variance] = []
        for one in chunk:
            is_read = window is None or window.holds(one.at)
            is_covered = one.repaired_at is None or one.repaired_at <= row.started_at
            if not is_read or not is_covered:
                continue
            state, turn = unseen(Known(state=VarianceState(one.state)))
            tally.confirmed += turn is Turn.CONFIRMED
            tally.vanished += turn is Turn.VANISHED
            one.state, one.closed_at, one.closed_how = state, now, turn.value
            gone.append(one)
        Variance.objects.bulk_update(gone, ["state", "closed_at", "closed_how"])
        audit.record(*(_event(EventKind.VARIANCE_CLOSED, one, row=row, now=now, how=one.closed_how) for one in gone))


def _event(kind: EventKind, one: Variance, *, row: Comparison, now: datetime, **payload: object) -> Event:
    told = {"comparison": row.pk, "fields": list(one.fields), "digest": one.digest, **payload}
    return of_variance(kind, one, job=row.job.name, actor=ENGINE, now=now, payload=told)


def _compared(row: Comparison, *, counts: Counts, now: datetime) -> Event:
    names = ("found", "opened", "pending", "reopened", "confirmed", "vanished", "standing", "skipped", "outside")
    payload = {**asdict(counts), **{name: getattr(row, name) for name in names}, "version": row.version.number}
    return of_comparison(EventKind.JOB_COMPARED, row, actor=ENGINE, now=now, payload=payload)


def _chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    source = iter(items)
    while chunk := list(islice(source, _AT_ONCE)):
        yield chunk
