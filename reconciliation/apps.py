"""The Django application that compares what is with what should be; it never starts work."""

from django.apps import AppConfig


class ReconciliationConfig(AppConfig):
    """Name and label of the app."""

    name = "reconciliation"
    label = "reconciliation"
    verbose_name = "Reconciliation"
    default_auto_field = "django.db.models.BigAutoField"
