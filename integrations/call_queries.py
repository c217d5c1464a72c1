"""Readings of the call ledger, each with a named order; they change nothing."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from integrations.calls.rules import Outcome
from integrations.errors import UnknownCall, UnknownCallFile
from integrations.models import Call, CallFile

_OF_RUN = 200
_COUNTED = 100
OPEN = "open"
"""A word for every outcome that somebody has to find out."""


def newest() -> QuerySet[Call]:
    """This will select calls, those first sent latest first."""
    return Call.objects.order_by("-first_sent_at", "key")


def narrowed(
    *, connection: str = "", outcome: str = "", run_id: UUID | None = None, since: datetime | None = None
) -> QuerySet[Call]:
    """This will select calls by what is given, those first sent latest first. `outcome` may be `open`."""
    calls = newest()
    calls = calls.filter(connection=connection) if connection else calls
    calls = calls.filter(run_id=run_id) if run_id is not None else calls
    calls = calls.filter(first_sent_at__gte=since) if since is not None else calls
    return of_outcome(calls, outcome)


def of_outcome(calls: QuerySet[Call], outcome: str) -> QuerySet[Call]:
    """This will keep calls of one outcome; with `open` those that nobody knows the outcome of."""
    if outcome == OPEN:
        return calls.filter(happened__isnull=True, is_safe=False)
    return calls.filter(outcome=outcome) if outcome else calls


def found_by(calls: QuerySet[Call], text: str) -> QuerySet[Call]:
    """This will keep calls with this idempotency key, run or correlation id."""
    try:
        given = UUID(text)
    except ValueError:
        return calls.filter(correlation_id=text)
    if calls.filter(key=given).exists():
        return calls.filter(key=given)
    return calls.filter(Q(run_id=given) | Q(correlation_id=text))


def get_call(key: UUID) -> Call:
    """This will read a call. Raises UnknownCall."""
    call = Call.objects.filter(key=key).first()
    if call is None:
        raise UnknownCall(key)
    return call


def of_run(run_id: UUID) -> Sequence[Call]:
    """This will give the first calls of a run, in their order."""
    return list(Call.objects.filter(run_id=run_id).defer("output").order_by("first_sent_at", "key")[:_OF_RUN])


def files_of(key: UUID) -> Sequence[CallFile]:
    """This will give the files a call gave or left as evidence, without their contents, the earliest first."""
    return list(CallFile.objects.filter(key=key).defer("content").order_by("id"))


def get_file(*, key: UUID, digest: str) -> CallFile:
    """This will read a file of a call. Raises UnknownCallFile."""
    found = CallFile.objects.filter(key=key, digest=digest).first()
    if found is None:
        raise UnknownCallFile(key, digest=digest)
    return found


def of_keys(keys: Collection[UUID]) -> Mapping[UUID, Call]:
    """This will give the calls with these idempotency keys, without what they gave."""
    rows = Call.objects.filter(key__in=keys).defer("output", "evidence").order_by("key") if keys else ()
    return {row.key: row for row in rows}


def effects_of(run_ids: Collection[UUID], *, most: int) -> Mapping[UUID, Sequence[Call]]:
    """This will give the first calls of each run that may change something outside, in their order."""
    found: dict[UUID, Sequence[Call]] = {}
    for run_id in run_ids:
        rows = Call.objects.filter(run_id=run_id, is_safe=False).defer("output", "evidence")
        found[run_id] = list(rows.order_by("first_sent_at", "key")[:most])
    return found


def in_doubt(*, run_id: UUID, step: str) -> Sequence[UUID]:
    """This will give the keys of a step's calls that may have happened, the earliest first."""
    calls = of_outcome(Call.objects.filter(run_id=run_id, step=step), OPEN).exclude(outcome=Outcome.SENDING)
    return list(calls.order_by("first_sent_at", "key").values_list("key", flat=True)[:_OF_RUN])


def count_unknown() -> int:
    """This will count the calls of unknown outcome that no attempt is under way of, to a hundred."""
    return of_outcome(Call.objects.filter(outcome=Outcome.UNKNOWN), OPEN).order_by()[:_COUNTED].count()
