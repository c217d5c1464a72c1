"""Registers who may start work, and how, with Django; it starts nothing."""

from django.apps import AppConfig

from automation import history as rows


class AutomationConfig(AppConfig):
    """Why and when work starts, and who may."""

    name = "automation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """This will have schedules, triggers and events looked after, secrets of webhooks kept, and rows end."""
        from automation.eventing import listening  # noqa: PLC0415
        from automation.eventing.sections import EventSection  # noqa: PLC0415
        from automation.inbound import history  # noqa: PLC0415
        from automation.inbound import queries as inbound  # noqa: PLC0415
        from automation.outbound import listening as outbound  # noqa: PLC0415
        from automation.outbound import queries as outgoing  # noqa: PLC0415
        from automation.scheduling.section import ScheduleTrigger  # noqa: PLC0415 - models are ready only now
        from automation.trigger_models import TriggerKind  # noqa: PLC0415
        from integrations import secret_users  # noqa: PLC0415
        from retention import classes  # noqa: PLC0415
        from workflows import triggers  # noqa: PLC0415

        triggers.register("schedule", ScheduleTrigger())
        for kind in TriggerKind:
            triggers.register(kind.value, EventSection(kind))
        triggers.listen(listening.note)
        triggers.listen(outbound.note)
        classes.register(history.WEBHOOKS)
        classes.register(history.EVENTS)
        classes.register_swept(*rows.SWEPT)
        classes.register_lasting(classes.Stay.DECLARED, *rows.DECLARED)
        classes.register_lasting(classes.Stay.EVIDENCE, *rows.EVIDENCE)
        secret_users.register(inbound.users_of)
        secret_users.register(outgoing.users_of)
