"""Registers retention with Django; it reads nothing."""

from django.apps import AppConfig

from retention import classes, foreign, trail


class RetentionConfig(AppConfig):
    """How long history is kept, and how it goes."""

    name = "retention"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Retention"

    def ready(self) -> None:
        """This will make the audit trail known as a class of data, and the tables of Django."""
        classes.register(trail.AUDIT)
        classes.register_swept(foreign.SESSIONS, foreign.ADMIN_LOG)
        for stay, tables in foreign.BY_STAY.items():
            classes.register_lasting(stay, *tables)
