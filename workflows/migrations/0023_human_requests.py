"""What people are asked, and what they answered."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0022_deadline_missed"),
    ]

    operations = [
        migrations.CreateModel(
            name="HumanRequest",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("approval", "approval"), ("task", "task")], max_length=10)),
                ("run_id", models.UUIDField()),
                ("workflow_name", models.CharField(max_length=100)),
                ("step", models.CharField(max_length=100)),
                ("index", models.IntegerField(null=True)),
                ("round", models.SmallIntegerField(default=0)),
                ("correlation_id", models.CharField(max_length=200)),
                ("title", models.CharField(max_length=300)),
                ("description", models.TextField(blank=True, default="")),
                ("show", models.JSONField(null=True)),
                ("form", models.JSONField(help_text="JSON Schema of what an answer brings.", null=True)),
                ("digest", models.CharField(help_text="SHA-256 of title, description, show and form.", max_length=64)),
                ("terms", models.JSONField()),
                ("users", models.JSONField(default=list)),
                ("groups", models.JSONField(default=list)),
                (
                    "excluded",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="The person who started the run, if that one may not answer.",
                        max_length=50,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("approved", "approved"),
                            ("rejected", "rejected"),
                            ("completed", "completed"),
                            ("expired", "expired"),
                            ("withdrawn", "withdrawn"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("escalated", models.SmallIntegerField(default=0, help_text="How many escalations have taken place.")),
                ("output", models.JSONField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "closed_by",
                    models.CharField(blank=True, default="", help_text="The actor, as kind:id.", max_length=200),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["run_id"], name="human_request_run"),
                    models.Index(
                        condition=models.Q(("state", "open")), fields=["expires_at", "id"], name="human_request_open"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "withdrawn"), _negated=True),
                        fields=("run_id", "step", "index", "round"),
                        name="human_request_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HumanAnswer",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("run_id", models.UUIDField()),
                ("person", models.CharField(help_text="The id of the user.", max_length=50)),
                ("name", models.CharField(help_text="The name of the user at that time.", max_length=150)),
                (
                    "choice",
                    models.CharField(
                        choices=[("approve", "approve"), ("reject", "reject"), ("complete", "complete")], max_length=10
                    ),
                ),
                ("comment", models.TextField(blank=True, default="")),
                ("form", models.JSONField(null=True)),
                ("digest", models.CharField(max_length=64)),
                ("actor", models.CharField(help_text="Who brought the answer, as kind:id.", max_length=200)),
                ("via", models.CharField(help_text="By which way it came.", max_length=10)),
                ("at", models.DateTimeField()),
                (
                    "request",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="answers",
                        to="workflows.humanrequest",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
                "indexes": [models.Index(fields=["run_id"], name="human_answer_run")],
                "constraints": [models.UniqueConstraint(fields=("request", "person"), name="human_answer_once")],
            },
        ),
    ]
