"""Divides webhook deliveries by month, by their ids; see docs/adr/0017-history-is-divided-by-month.md."""

from django.db import migrations
from django.utils import timezone

from retention import division
from retention.core.months import KeyKind


def divide(_apps, _schema_editor):
    """This will divide the table; one that is divided already stays as it is."""
    division.divide("automation_webhook_delivery", key="id", kind=KeyKind.UUID7, primary_key=["id"], now=timezone.now())


class Migration(migrations.Migration):
    """This will copy no row; see `retention/division.py`."""

    atomic = False
    dependencies = [("automation", "0009_webhooks_and_triggers"), ("retention", "0001_divide_by_month")]
    operations = [migrations.RunPython(divide)]
