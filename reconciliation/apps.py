"""The Django application that compares what is with what should be, and has differences repaired by rule."""

from django.apps import AppConfig

from reconciliation import history
from retention import classes


class ReconciliationConfig(AppConfig):
    """Name and label of the app."""

    name = "reconciliation"
    label = "reconciliation"
    verbose_name = "Reconciliation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """This will load the module `reconciliations` of every installed app, so that its sources are known.

        It says how rows end, too.
        """
        from reconciliation import registry  # noqa: PLC0415 - models are ready only now

        registry.discover()
        classes.register_swept(history.VARIANCES, history.COMPARISONS)
        classes.register_lasting(classes.Stay.DECLARED, *history.DECLARED)
        classes.register_lasting(classes.Stay.EVIDENCE, *history.EVIDENCE)
