"""Registration of the audit trail with Django; it does nothing at start."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The audit trail: what happened, by whom, and the proof that nobody changed it since."""

    name = "audit"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Audit"
