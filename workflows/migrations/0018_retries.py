"""Retries: which run does the work of which other one again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0017_times_from_ready"),
    ]

    operations = [
        migrations.CreateModel(
            name="Retry",
            fields=[
                ("run_id", models.UUIDField(help_text="The new run.", primary_key=True, serialize=False)),
                ("of_id", models.UUIDField(help_text="The run whose work it does again.")),
                ("start", models.CharField(help_text="Where it begins: failed, step or start.", max_length=10)),
                ("step", models.CharField(blank=True, default="", help_text="The chosen step.", max_length=100)),
                ("reused", models.JSONField(help_text="The steps whose results it has taken over.")),
                ("is_input_edited", models.BooleanField(default=False)),
                ("reason", models.CharField(blank=True, default="", max_length=1000)),
                ("asked_by", models.CharField(help_text="The actor, as kind:id.", max_length=200)),
                ("asked_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["of_id", "-run_id"], name="retry_of_run")],
            },
        ),
    ]
