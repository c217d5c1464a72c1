"""Pauses: what somebody has paused, and a counter of changes that workers compare."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0013_parked_steps"),
    ]

    operations = [
        migrations.CreateModel(
            name="Pause",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("run", "run"),
                            ("connection", "connection"),
                            ("workflow", "workflow"),
                            ("lane", "lane"),
                            ("platform", "platform"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        blank=True, default="", help_text="Which one; empty for the platform.", max_length=100
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("paused_by", models.CharField(help_text="The actor, as kind:id.", max_length=200)),
                ("paused_at", models.DateTimeField()),
                ("starts_only", models.BooleanField(default=False, help_text="Runs that had begun before go on.")),
                (
                    "holds_deadlines",
                    models.BooleanField(default=False, help_text="Deadlines are moved by as long as it lasts."),
                ),
            ],
            options={
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="PauseEpoch",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("number", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.AddIndex(
            model_name="activation",
            index=models.Index(
                condition=models.Q(("wait_reason", "paused")), fields=["wait_object", "id"], name="activation_paused"
            ),
        ),
        migrations.AddConstraint(
            model_name="pause",
            constraint=models.UniqueConstraint(fields=("scope", "name"), name="pause_once"),
        ),
        migrations.AddConstraint(
            model_name="pauseepoch",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="pause_epoch_is_one_row"),
        ),
        migrations.RunSQL(
            sql="insert into workflows_pauseepoch (id, number) values (1, 0)", reverse_sql=migrations.RunSQL.noop
        ),
    ]
