"""Readings of retention: what there is, what would become of it, and what is wrong. They never change anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from retention import partitions
from retention.classes import DataClass, Divided, Swept, registered, swept
from retention.core import policy
from retention.core.months import Month, lower_bound, lowest
from retention.core.policy import Facts, Verdict
from retention.core.scope import Scope
from retention.models import Hold
from retention.partitions import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A month of a class of data: the partitions of its tables with the same bounds, the one that decides first."""

    data: DataClass
    begins_at: datetime | None
    ends_at: datetime
    parts: Sequence[tuple[Divided, Partition]]

    @property
    def label(self) -> str:
        """This will name the month."""
        return "earlier" if self.begins_at is None else str(Month.of(self.begins_at))

    @property
    def size_bytes(self) -> int:
        """This will give the size of its tables with their indexes."""
        return sum(part.size_bytes for _table, part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A month and what becomes of it. Young months have not been looked into: their facts are None."""

    span: Span
    verdict: Verdict
    facts: Facts | None


def active_holds(*, now: datetime) -> QuerySet[Hold]:
    """This will select the holds in force, the latest first."""
    return Hold.objects.filter(Q(until__isnull=True) | Q(until__gt=now), released_at__isnull=True)


def spans(data: DataClass) -> Sequence[Span]:
    """This will give the months of a class, the earliest first, without what its default partitions hold."""
    found: dict[tuple[datetime | None, datetime], list[tuple[Divided, Partition]]] = {}
    for table in data.tables:
        for part in partitions.partitions_of(table.name, kind=data.kind):
            if part.ends_at is not None:
                found.setdefault((part.begins_at, part.ends_at), []).append((table, part))
    listed = [
        Span(data=data, begins_at=begins_at, ends_at=ends_at, parts=parts)
        for (begins_at, ends_at), parts in found.items()
    ]
    return sorted(listed, key=lambda span: span.ends_at)


def plan(*, now: datetime) -> Sequence[Judged]:
    """This will say what becomes of every month of every class."""
    return [judged for data in registered() for judged in plan_of(data, now=now)]


def plan_of(data: DataClass, *, now: datetime) -> Sequence[Judged]:
    """This will say what becomes of every month of one class."""
    return [judge(span, now=now) for span in spans(data)]


def judge(span: Span, *, now: datetime) -> Judged:
    """This will say what becomes of a month."""
    months = span.data.months()
    if not policy.is_expired(ends_at=span.ends_at, now=now, months=months):
        return Judged(span=span, verdict=Verdict.YOUNG, facts=None)
    facts = facts_of(span, now=now)
    return Judged(
        span=span, verdict=policy.judge(ends_at=span.ends_at, now=now, months=months, facts=facts), facts=facts
    )


def facts_of(span: Span, *, now: datetime) -> Facts:
    """This will count what is in a month."""
    parameters = parameters_of(span, now=now)
    main = [part.name for table, part in span.parts if table == span.data.main]
    return Facts(
        rows=sum(count_rows(name) for name in main),
        busy=_number(span.data.busy, parameters),
        kept=_number(f"select count(*) from ({span.data.kept}) as kept", parameters),  # noqa: S608  our own text
    )


def parameters_of(span: Span, *, now: datetime) -> Mapping[str, Any]:  # Any: texts and lists of them, as SQL takes them
    """This will give what the SQL of a class may refer to."""
    kind = span.data.kind
    return {
        **_held(now=now),
        "begin": lowest(kind) if span.begins_at is None else lower_bound(span.begins_at, kind=kind),
        "end": lower_bound(span.ends_at, kind=kind),
    }


def parameters_of_rows(one: Swept, *, now: datetime) -> Mapping[str, Any] | None:  # Any: as `parameters_of`
    """This will give what the SQL of a table that is swept may refer to; None: its rows are kept for ever."""
    if one.months is None:
        return {**_held(now=now), "limit": now}
    limit = policy.expires_before(now=now, months=one.months())
    return None if limit is None else {**_held(now=now), "limit": limit}


def old_rows(*, now: datetime) -> Mapping[str, int]:
    """This will count the rows whose time has come, table by table, of the tables that are swept."""
    counts = {}
    for one in swept():
        parameters = parameters_of_rows(one, now=now)
        query = f"select count(*) from {one.table} as it where {one.over}"  # noqa: S608  our own text
        counts[one.table] = 0 if parameters is None else _number(query, parameters)
    return counts


def _held(*, now: datetime) -> Mapping[str, list[str]]:
    """What active holds name, as the SQL of classes refers to it."""
    values: dict[str, list[str]] = {scope: [] for scope in Scope}
    for scope, value in active_holds(now=now).values_list("scope", "value"):
        values[scope].append(value)
    return {
        "runs": values[Scope.RUN],
        "workflows": values[Scope.WORKFLOW],
        "correlations": values[Scope.CORRELATION],
    }


def count_rows(table: str) -> int:
    """This will count the rows of a table."""
    return _number(f'select count(*) from "{table}"', {})  # noqa: S608  the name of a partition


def problems(*, now: datetime) -> Sequence[str]:
    """This will say what is wrong with the months, each in one line that says what to do; nothing when all is well."""
    found = [
        f"{table} has no partition for {month}: its rows go to {table}_default; run `automation retention run`"
        for table, month in missing(now=now)
    ]
    for data in registered():
        for table in data.tables:
            if _holds_rows(f"{table.name}_default"):
                found.append(
                    f"{table.name}_default holds rows that no month was made for: the clock of a host may be wrong, "
                    "or months were missing for a time; `automation retention run` gives them their months"
                )
    return found


def missing(*, now: datetime) -> Sequence[tuple[str, Month]]:
    """This will name the divided tables that lack this month or the next."""
    return [
        (table.name, month)
        for data in registered()
        for table in data.tables
        for month in (Month.of(now), Month.of(now).plus(1))
        if not has_month(partitions.partitions_of(table.name, kind=data.kind), month=month)
    ]


def has_month(parts: Sequence[Partition], *, month: Month) -> bool:
    """This will tell whether some partition takes all rows of a month."""
    end = month.plus(1).begins_at
    return any(
        part.ends_at is not None and end <= part.ends_at and (part.begins_at or month.begins_at) <= month.begins_at
        for part in parts
    )


def _holds_rows(table: str) -> bool:
    return bool(_number(f'select count(*) from (select from "{table}" limit 1) as one', {}))  # noqa: S608  a partition


def _number(query: str, parameters: Mapping[str, Any]) -> int:  # Any: as `parameters_of`
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        (number,) = cursor.fetchone()
    return int(number)
