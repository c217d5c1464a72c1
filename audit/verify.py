"""The proof that stored events are what was recorded; it reads rows and never repairs them.

It finds changed rows. That no row was removed or added is what a chain over the digests will show.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC

from audit.events import digest_of
from audit.models import AuditEvent


def verify(rows: Iterable[AuditEvent]) -> Iterator[int]:
    """This will yield the id of every event whose digest does not fit its other columns."""
    for row in rows:
        if not is_genuine(row):
            yield row.id


def is_genuine(row: AuditEvent) -> bool:
    """This will tell whether the stored digest fits the stored columns of one event."""
    computed = digest_of(
        at=row.at.astimezone(UTC).isoformat(timespec="microseconds"),
        kind=row.kind,
        actor=row.actor,
        subject_type=row.subject_type,
        subject_id=row.subject_id,
        correlation_id=row.correlation_id,
        payload=row.payload,
    )
    return computed == bytes(row.digest).hex()
