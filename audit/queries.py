"""Readings of the audit trail; they never write and never hold more than they are asked for."""

from collections.abc import Iterator, Sequence

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
