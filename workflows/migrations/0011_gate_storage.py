"""How the tables of flow control are stored: they are changed in place all the time."""

from django.db import migrations

TUNE = """
alter table workflows_gate set (fillfactor = 50);
alter table workflows_runslot set (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
"""
RESET = """
alter table workflows_gate reset (fillfactor);
alter table workflows_runslot reset (
    autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
"""


class Migration(migrations.Migration):
    """This will set storage parameters; it touches no row."""

    dependencies = [("workflows", "0010_gates")]
    operations = [migrations.RunSQL(sql=TUNE, reverse_sql=RESET)]
