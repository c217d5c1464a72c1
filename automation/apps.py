"""Registers who may start work, and how, with Django; it starts nothing."""

from django.apps import AppConfig


class AutomationConfig(AppConfig):
    """Why and when work starts, and who may."""

    name = "automation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """This will have schedules in definitions looked after."""
        from automation.scheduling.section import ScheduleTrigger  # noqa: PLC0415 - models are ready only now
        from workflows import triggers  # noqa: PLC0415

        triggers.register("schedule", ScheduleTrigger())
