"""Everybody who stands behind a run is kept with what it asks of people."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0026_releases"),
    ]

    operations = [
        migrations.AddField(
            model_name="humanrequest",
            name="starters",
            field=models.JSONField(
                default=list,
                help_text="Ids of the people who started the run, or what it comes from, if they may not answer.",
            ),
        ),
        migrations.RunSQL(
            "update workflows_humanrequest set starters = jsonb_build_array(excluded) where excluded <> ''",
            "update workflows_humanrequest set excluded = starters ->> 0 where jsonb_array_length(starters) > 0",
        ),
        migrations.RemoveField(model_name="humanrequest", name="excluded"),
    ]
