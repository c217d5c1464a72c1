"""Whose share of a lane a run uses."""

from django.db import migrations, models

KEY = {"blank": True, "db_collation": "C", "db_default": "", "default": "", "max_length": 64}


class Migration(migrations.Migration):
    """This will add columns with defaults, which rewrites no row."""

    dependencies = [("workflows", "0006_incidents_of_open_letters")]
    operations = [
        migrations.AddField("activation", "fairness_key", models.CharField(**KEY)),
        migrations.AddField("activation", "fairness_weight", models.FloatField(db_default=1.0, default=1.0)),
        migrations.AddField("run", "fairness_key", models.CharField(help_text="Whose share it uses.", **KEY)),
        migrations.AddField(
            "run",
            "fairness_weight",
            models.FloatField(db_default=1.0, default=1.0, help_text="How large that share is."),
        ),
    ]
