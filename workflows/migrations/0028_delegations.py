"""Who handed the say in a request to whom, and for whom somebody answered."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0027_starters"),
    ]

    operations = [
        migrations.AddField(
            model_name="humananswer",
            name="behalf",
            field=models.JSONField(default=list, help_text="Names of those whose rights came to this person."),
        ),
        migrations.CreateModel(
            name="HumanDelegation",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("run_id", models.UUIDField()),
                ("giver", models.CharField(help_text="The id of the user.", max_length=50)),
                ("giver_name", models.CharField(help_text="The name of the user at that time.", max_length=150)),
                ("taker", models.CharField(help_text="The id of the user.", max_length=50)),
                ("taker_name", models.CharField(help_text="The name of the user at that time.", max_length=150)),
                ("reason", models.TextField(blank=True, default="")),
                ("digest", models.CharField(max_length=64)),
                ("actor", models.CharField(help_text="Who brought it, as kind:id.", max_length=200)),
                ("via", models.CharField(help_text="By which way it came.", max_length=10)),
                ("at", models.DateTimeField()),
                (
                    "request",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="delegations",
                        to="workflows.humanrequest",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "indexes": [
                    models.Index(fields=["run_id"], name="human_delegation_run"),
                    models.Index(fields=["giver", "request"], name="human_delegation_giver"),
                    models.Index(fields=["taker", "request"], name="human_delegation_taker"),
                ],
            },
        ),
    ]
