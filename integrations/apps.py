"""Registration of the outside world with Django; it starts nothing."""

from django.apps import AppConfig

from integrations import history
from retention import classes


class IntegrationsConfig(AppConfig):
    """Connections to outside systems and the adapters that speak to them."""

    name = "integrations"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Integrations"

    def ready(self) -> None:
        """This will say how its rows end."""
        classes.register_swept(history.NOTIFICATIONS, history.RATE_BUCKETS)
        classes.register_lasting(classes.Stay.DECLARED, *history.DECLARED)
