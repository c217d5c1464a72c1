"""What people say about variances: accepted, disputed, open again, and who looks after them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from reconciliation.core.lifecycle import VarianceState, may_answer
from reconciliation.models import Variance
from reconciliation.operations.trail import of_variance

MOST = 1_000


@dataclass(slots=True)
class Answered:
    """What became of an answer to several variances: which have changed, and which could not."""

    changed: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def answer(*, ids: Sequence[int], wanted: VarianceState, note: str, actor: Actor, now: datetime) -> Answered:
    """This will move variances to open, accepted or disputed; what cannot be moved is told with its reason.

    At most MOST at once, in one transaction. The same again changes nothing.
    """
    result = Answered()
    with transaction.atomic():
        rows = {one.pk: one for one in _locked(ids)}
        for number in ids[:MOST]:
            row = rows.get(number)
            if row is None:
                result.refused[number] = "there is no such variance"
            elif not may_answer(VarianceState(row.state), wanted):
                result.refused[number] = f"it is {row.state}"
            else:
                _answer(row, wanted=wanted, note=note, actor=actor, now=now)
                result.changed.append(number)
    return result


def assign(*, ids: Sequence[int], owner: str, actor: Actor, now: datetime) -> Answered:
    """This will say who looks after variances; an empty owner: nobody."""
    result = Answered()
    with transaction.atomic():
        for row in _locked(ids):
            if row.owner == owner:
                continue
            before, row.owner = row.owner, owner
            row.save(update_fields=["owner"])
            payload = {"before": before, "after": owner}
            audit.record(_event(EventKind.VARIANCE_ASSIGNED, row, actor=actor, now=now, payload=payload))
            result.changed.append(row.pk)
    return result


def _locked(ids: Sequence[int]) -> Sequence[Variance]:
    """The job is locked by nobody: rows alone, in one order."""
    rows = Variance.objects.select_for_update(of=("self",)).select_related("job").filter(id__in=ids[:MOST])
    return list(rows.order_by("id"))


def _answer(row: Variance, *, wanted: VarianceState, note: str, actor: Actor, now: datetime) -> None:
    payload = {"before": row.state, "after": str(wanted), "digest": row.digest, "note": note}
    row.state, row.note = wanted, note[:1000]
    row.save(update_fields=["state", "note"])
    audit.record(_event(EventKind.VARIANCE_ANSWERED, row, actor=actor, now=now, payload=payload))


def _event(kind: EventKind, row: Variance, *, actor: Actor, now: datetime, payload: Mapping[str, object]) -> Event:
    return of_variance(kind, row, job=row.job.name, actor=actor, now=now, payload=payload)
