"""The one table of the audit trail; it refers to no other table, so that it outlives what it tells about.

The seam for sealing: a later chain takes the events in the order of `id`, links `digest` to `digest` and
stores its seals elsewhere; nothing in this table has to change for it. Ids are given before the commit, so a
sealer must stop below the oldest transaction that is still open.
"""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models


class AuditEvent(models.Model):
    """One change that happened. The database refuses to update, delete or truncate these rows."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    kind = models.TextField()
    actor = models.TextField()
    subject_type = models.TextField()
    subject_id = models.TextField()
    correlation_id = models.TextField()
    payload = models.TextField(help_text="Canonical JSON, byte for byte what the digest was computed from.")
    digest = models.BinaryField(max_length=32, help_text="SHA-256 over the canonical JSON of the event.")

    class Meta:
        db_table = "audit_event"
        indexes = (
            models.Index(fields=["subject_id", "id"], name="audit_event_subject"),
            BrinIndex(fields=["at"], name="audit_event_at"),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind} {self.subject_type} {self.subject_id} by {self.actor}"
