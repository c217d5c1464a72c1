"""The audit trail as a class of data; it adds nothing to what the trail says."""

from django.conf import settings

from retention.classes import DataClass, Divided
from retention.core.months import KeyKind

_KEPT = """
select id from audit_event as event
where at >= %(begin)s and at < %(end)s and (
    subject_id = any(%(runs)s::text[]) or correlation_id = any(%(correlations)s::text[])
    or subject_id = any(%(workflows)s::text[])
    or (cardinality(%(workflows)s::text[]) > 0 and subject_id in (
        select begun.subject_id from audit_event as begun
        where begun.kind = 'run.started' and begun.payload::jsonb ->> 'workflow' = any(%(workflows)s::text[]))))
"""

AUDIT = DataClass(
    name="audit",
    kind=KeyKind.TIME,
    tables=(Divided(name="audit_event", key="at", match="id"),),
    months=lambda: settings.RETENTION_AUDIT_MONTHS,
    busy="select 0",
    kept=_KEPT,
    proof="select digest from {} order by id",
)
