"""Registers who may start work, and how, with Django; it starts nothing."""

from django.apps import AppConfig


class AutomationConfig(AppConfig):
    """Why and when work starts, and who may."""

    name = "automation"
    default_auto_field = "django.db.models.BigAutoField"
