"""Makes the Celery application the current one in every process that uses Django; it has no models."""

from django.apps import AppConfig

from config.celery import app as celery_app


class Wiring(AppConfig):
    """The app of the wiring itself, first in INSTALLED_APPS."""

    name = "config"
    label = "config"
    celery = celery_app
