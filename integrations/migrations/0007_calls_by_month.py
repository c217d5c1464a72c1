"""Divides calls by month, by the ids of their runs, which carry the time; see docs/adr/0017-history-is-divided-by-month.md."""

from django.db import migrations
from django.utils import timezone

from retention import division
from retention.core.months import KeyKind


def divide(_apps, _schema_editor):
    """This will divide the table; one that is divided already stays as it is."""
    division.divide(
        "integrations_call", key="run_id", kind=KeyKind.UUID7, primary_key=["run_id", "key"], now=timezone.now()
    )


class Migration(migrations.Migration):
    """This will copy no row; see `retention/division.py`."""

    atomic = False
    dependencies = [("retention", "0001_divide_by_month"), ("integrations", "0006_call_ledger")]
    operations = [migrations.RunPython(divide)]
