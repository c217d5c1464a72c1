"""Registration of the outside world with Django; it does nothing at start."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    """Connections to outside systems and the adapters that speak to them."""

    name = "integrations"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Integrations"
