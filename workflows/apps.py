"""Registers the engine with Django; it starts nothing."""

from django.apps import AppConfig

from retention import classes
from workflows import history, leftovers, registry
from workflows.core import subworkflow
from workflows.core.asking import ASKING


class WorkflowsConfig(AppConfig):
    """What work is and how it proceeds."""

    name = "workflows"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """This will load the `workflows` module of every installed app, so that its functions are known.

        Runs, calls and events become known as classes of data that retention looks after, and what steps that wait
        leave behind.
        """
        from workflows.operations import asking, child_ends, event_waits, subjects  # noqa: PLC0415  models come first

        registry.discover()
        for uses in ASKING:
            subjects.register(uses, asking.withdraw)
        classes.register(history.RUNS)
        classes.register(history.EVENTS)
        classes.register(history.CALLS)
        classes.register_swept(*leftovers.SWEPT)
        for stay, tables in leftovers.BY_STAY.items():
            classes.register_lasting(stay, *tables)
        subjects.register(subworkflow.USES, child_ends.close)
        subjects.register("wait", event_waits.close)
