"""Readings of the audit trail; they never write and never hold more than they are asked for."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
from django.db import connection
from django.db.models import QuerySet

from audit.models import AuditEvent


def events_for(subject_id: str) -> QuerySet[AuditEvent]:
    """This will select what happened to one subject (a run, a workflow ...), earliest first."""
    return AuditEvent.objects.filter(subject_id=subject_id).order_by("id")


def page(*, after_id: int = 0, limit: int = 1000) -> QuerySet[AuditEvent]:
    """This will read up to `limit` events whose id is greater than `after_id`, in the order of their ids."""
    return AuditEvent.objects.filter(id__gt=after_id).order_by("id")[:limit]


def latest_id() -> int:
    """This will give the id of the latest event, 0 when there is none."""
    latest: int | None = AuditEvent.objects.order_by("-id").values_list("id", flat=True).first()
    return latest or 0


def walk(*, after_id: int = 0, size: int = 1000) -> Iterator[AuditEvent]:
    """This will walk through the trail behind `after_id` in the order of ids, `size` events in memory at a time."""
    while events := list(page(after_id=after_id, limit=size)):
        yield from events
        after_id = events[-1].id


class Change(NamedTuple):
    """An event as somebody reads it who follows the trail."""

    id: int
    kind: str
    subject_id: str
    payload: Mapping[str, object]


def changes(*, kinds: Collection[str], after_id: int, limit: int) -> Sequence[Change]:
    """This will read up to `limit` events of some kinds whose id is greater than `after_id`, in the order of their ids.

    Ids are given before the commit: what follows the trail must come back for those below `earliest_open_at`.
    """
    rows = AuditEvent.objects.filter(id__gt=after_id, kind__in=list(kinds)).order_by("id")
    found = rows.values_list("id", "kind", "subject_id", "payload")[:limit]
    return [Change(number, kind, subject_id, orjson.loads(payload)) for number, kind, subject_id, payload in found]


def earliest_open_at() -> datetime:
    """This will give when the oldest transaction began that is still open, by the clock of the database.

    Who began before it has ended: all its events can be seen. Only transactions of our own role are looked at.
    """
    return _instant(
        "select coalesce(min(xact_start), clock_timestamp()) from pg_stat_activity"
        " where datname = current_database() and usename = current_user"
    )


def database_now() -> datetime:
    """This will give the time by the clock of the database."""
    return _instant("select clock_timestamp()")


def _instant(statement: str) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    assert row is not None
    instant: datetime = row[0]
    return instant


_UNGUARDED = """
select part.relname from pg_class as part
where (part.oid = 'audit_event'::regclass
       or part.oid in (select inhrelid from pg_inherits where inhparent = 'audit_event'::regclass))
  and not exists (
      select from pg_trigger join pg_proc on pg_proc.oid = tgfoid
      where tgrelid = part.oid and proname = 'audit_refuse_change' and tgenabled in ('O', 'A'))
order by part.relname
"""


def unguarded_tables() -> Sequence[str]:
    """This will name the tables of the trail that no trigger keeps from being changed."""
    with connection.cursor() as cursor:
        cursor.execute(_UNGUARDED)
        return [name for (name,) in cursor.fetchall()]
