"""Divides what became of events by the month of the event; see docs/adr/0017-history-is-divided-by-month.md."""

from django.db import migrations
from django.utils import timezone

from retention import division
from retention.core.months import KeyKind


def divide(_apps, _schema_editor):
    """This will divide both tables; one that is divided already stays as it is."""
    for table in ("automation_trigger_firing", "automation_webhook_message"):
        division.divide(table, key="event", kind=KeyKind.UUID7, primary_key=[], now=timezone.now())


class Migration(migrations.Migration):
    """This will copy no row; see `retention/division.py`."""

    atomic = False
    dependencies = [("automation", "0011_webhook_endpoints")]
    operations = [migrations.RunPython(divide)]
