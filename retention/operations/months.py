"""Makes the months to come, and says so loudly where one is missing; it never lets one go."""

from collections.abc import Sequence
from datetime import datetime

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from audit import operations as audit
from audit import queries as trail
from audit.events import Actor, ActorKind, Event, EventKind
from retention import ddl, partitions, queries
from retention.classes import DataClass, Divided, registered
from retention.core.months import Month, ahead, lower_bound
from retention.operations import locks

log = structlog.get_logger(__name__)


def make_ahead(*, now: datetime, classes: Sequence[DataClass] | None = None) -> Sequence[str]:
    """This will make the months to come of all divided tables, and give the names of those it made.

    Safe beside others, and again at any time. What cannot be made is logged; while this month or the next is missing,
    that is an audit event besides, once for each table and month.
    """
    made = [
        name
        for data in (registered() if classes is None else classes)
        for table in data.tables
        for month in ahead(start=Month.of(now), count=settings.RETENTION_MONTHS_AHEAD + 1)
        if (name := _make(data, table, month=month))
    ]
    if made:
        log.info("months_made", partitions=made)
    for table_name, month in queries.missing(now=now):
        _raise_alarm(table_name, month=month, now=now)
    return made


def _make(data: DataClass, table: Divided, *, month: Month) -> str:
    """The name of the partition; empty where there is one, or none could be made."""
    if _is_there(data, table, month=month):
        return ""
    try:
        with transaction.atomic():
            locks.while_a_month_goes()
            if _is_there(data, table, month=month):
                return ""
            if _has_strays(data, table, month=month):
                return _make_from_strays(data, table, month=month)
            return partitions.add_month(table.name, kind=data.kind, month=month)
    except DatabaseError as error:
        log.exception("month_not_made", table=table.name, month=str(month), error=str(error).split("\n")[0])
        return ""


def _is_there(data: DataClass, table: Divided, *, month: Month) -> bool:
    parts = partitions.partitions_of(table.name, kind=data.kind)
    begin, end = month.begins_at, month.plus(1).begins_at
    return any(
        part.ends_at is not None and part.ends_at > begin and (part.begins_at is None or part.begins_at < end)
        for part in parts
    )


def _has_strays(data: DataClass, table: Divided, *, month: Month) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f'select exists (select from "{table.name}_default" where {table.key} >= %s and {table.key} < %s)',  # noqa: S608  our own names
            _bounds(data, month=month),
        )
        (found,) = cursor.fetchone()
    return bool(found)


def _make_from_strays(data: DataClass, table: Divided, *, month: Month) -> str:
    """Rows of the month lie in the default partition: they go where they belong, the others to a new default one."""
    name, default = f"{table.name}_{month}", f"{table.name}_default"
    old = f"{default}_gone"
    inside = f"({table.key} >= %s and {table.key} < %s)"
    partitions.detach(default, table=table.name)
    ddl.execute("alter table {} rename to {}", default, old)
    partitions.make_like(name, pattern=old)
    partitions.make_like(default, pattern=old)
    bounds = _bounds(data, month=month)
    copied = partitions.copy_rows(old, target=name, where=inside, parameters=bounds)
    copied += partitions.copy_rows(old, target=default, where=f"not {inside}", parameters=bounds)
    assert copied == queries.count_rows(old), "every row is in one of the two"
    partitions.attach(
        name, table=table.name, kind=data.kind, begins_at=month.begins_at, ends_at=month.plus(1).begins_at
    )
    ddl.execute("alter table {} attach partition {} default", table.name, default)
    ddl.execute("drop table {}", old)
    log.warning("strays_moved", partition=name)
    return name


def _bounds(data: DataClass, *, month: Month) -> Sequence[str]:
    return [lower_bound(instant, kind=data.kind) for instant in (month.begins_at, month.plus(1).begins_at)]


def _raise_alarm(table: str, *, month: Month, now: datetime) -> None:
    log.error("month_missing", table=table, month=str(month))
    subject = f"{table}:{month}"
    if trail.events_for(subject).exists():
        return
    event = Event(
        kind=EventKind.MONTH_MISSING,
        actor=Actor(kind=ActorKind.ENGINE),
        subject_type="history",
        subject_id=subject,
        correlation_id=subject,
        at=now,
        payload={"table": table, "month": str(month)},
    )
    with transaction.atomic():
        audit.record(event)
