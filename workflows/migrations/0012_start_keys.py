"""Idempotency keys of starts in a table of their own: runs are divided by month, and a key is unique in all months.

Processes of the release before must have ended: they look for the index that goes.
"""

from django.db import migrations, models

COPY = """
insert into workflows_startkey (key, run_id, digest)
select start_key, id, start_digest from workflows_run where start_key is not null;
"""


class Migration(migrations.Migration):
    """This will copy the keys that were used."""

    dependencies = [("workflows", "0011_gate_storage")]
    operations = [
        migrations.CreateModel(
            name="StartKey",
            fields=[
                (
                    "key",
                    models.CharField(
                        help_text="Client and Idempotency-Key.", max_length=300, primary_key=True, serialize=False
                    ),
                ),
                ("run_id", models.UUIDField(db_index=True)),
                (
                    "digest",
                    models.CharField(
                        help_text="SHA-256 of workflow and input: the request it stands for.", max_length=64
                    ),
                ),
            ],
        ),
        migrations.RunSQL(sql=COPY, reverse_sql=migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="run", name="run_start_once"),
    ]
