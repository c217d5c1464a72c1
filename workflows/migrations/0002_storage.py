"""How the hot tables are stored: room on each page for updates in place, and vacuum as often as they churn."""

from django.db import migrations

TUNE = """
alter table workflows_activation set (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0);
alter table workflows_item set (fillfactor = 60);
alter table workflows_fanout set (fillfactor = 50);
alter table workflows_run set (fillfactor = 80);
"""
RESET = """
alter table workflows_activation reset (
    fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay);
alter table workflows_item reset (fillfactor);
alter table workflows_fanout reset (fillfactor);
alter table workflows_run reset (fillfactor);
"""


class Migration(migrations.Migration):
    """This will set storage parameters; it touches no row."""

    dependencies = [("workflows", "0001_initial")]
    operations = [migrations.RunSQL(sql=TUNE, reverse_sql=RESET)]
