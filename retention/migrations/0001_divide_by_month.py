"""Divides history by month: runs with all that hangs on them by the run's id, which carries its time; the audit by time."""

from django.db import migrations
from django.utils import timezone

from retention import division
from retention.core.months import KeyKind

OF_RUNS = {
    "workflows_run": ("id", ["id"]),
    "workflows_step": ("run_id", ["run_id", "step"]),
    "workflows_fanout": ("run_id", ["run_id", "step"]),
    "workflows_item": ("run_id", ["run_id", "step", "index"]),
    "workflows_attempt": ("run_id", []),
    "workflows_deadletter": ("run_id", []),
}


def divide(_apps, _schema_editor):
    """This will divide each table in a short transaction of its own; those that are divided already stay as they are."""
    now = timezone.now()
    for table, (key, primary_key) in OF_RUNS.items():
        division.divide(table, key=key, kind=KeyKind.UUID7, primary_key=primary_key, now=now)
    division.divide("audit_event", key="at", kind=KeyKind.TIME, primary_key=[], now=now)


class Migration(migrations.Migration):
    """This will copy no row; see `retention/division.py`."""

    atomic = False
    initial = True
    dependencies = [("audit", "0001_initial"), ("workflows", "0012_start_keys")]
    operations = [migrations.RunPython(divide)]
