"""The audit trail in the admin: to be read, never to be added to, changed or deleted."""

from django.contrib import admin
from django.http import HttpRequest

from audit.admin_pages import ListingAdmin
from audit.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ListingAdmin):
    """The trail, latest first; search takes the exact id of a subject, so that an index answers."""

    list_display = ("at", "kind", "subject_type", "subject_id", "actor", "correlation_id")
    fields = (
        "id",
        "at",
        "kind",
        "actor",
        "subject_type",
        "subject_id",
        "correlation_id",
        "payload",
        "digest_hex",
    )
    readonly_fields = fields
    search_fields = ("subject_id__exact",)
    search_help_text = "The exact id of a run, workflow, token or connection"
    ordering = ("-id",)
    list_per_page = 50

    @admin.display(description="digest")
    def digest_hex(self, event: AuditEvent) -> str:
        """This will show the digest in hexadecimal."""
        return bytes(event.digest).hex()

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: events are recorded by the changes themselves."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: the trail is append-only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: the trail is append-only."""
        return False
