"""Links by which people answer without signing in."""

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0028_delegations"),
    ]

    operations = [
        migrations.CreateModel(
            name="HumanLink",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("run_id", models.UUIDField()),
                ("person", models.CharField(help_text="The id of the user it answers for.", max_length=50)),
                ("name", models.CharField(help_text="The name of the user at that time.", max_length=150)),
                ("made_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(help_text="When an answer came by it.", null=True)),
                ("revoked_at", models.DateTimeField(help_text="When the say was handed to somebody else.", null=True)),
                (
                    "request",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="links",
                        to="workflows.humanrequest",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["run_id"], name="human_link_run")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("revoked_at__isnull", True)),
                        fields=("request", "person"),
                        name="human_link_once",
                    )
                ],
            },
        ),
    ]
