"""Registers retention with Django; it reads nothing."""

from django.apps import AppConfig

from retention import classes, trail


class RetentionConfig(AppConfig):
    """How long history is kept, and how it goes."""

    name = "retention"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Retention"

    def ready(self) -> None:
        """This will make the audit trail known as a class of data."""
        classes.register(trail.AUDIT)
