"""The call ledger. Its primary key holds the id of the run, by which the table is divided."""

from django.db import migrations, models

PRIMARY_KEY = """
alter table integrations_call drop constraint integrations_call_pkey;
alter table integrations_call add constraint integrations_call_pkey primary key (run_id, key);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0005_stored_secrets"),
    ]

    operations = [
        migrations.CreateModel(
            name="Call",
            fields=[
                (
                    "key",
                    models.UUIDField(
                        help_text="The idempotency key, the same in every attempt.", primary_key=True, serialize=False
                    ),
                ),
                ("run_id", models.UUIDField()),
                ("workflow_name", models.CharField(max_length=100)),
                ("step", models.CharField(max_length=100)),
                ("index", models.IntegerField(help_text="The item of a for_each; empty: the step itself.", null=True)),
                ("round", models.IntegerField(help_text="The round of a repeat_until.", null=True)),
                ("correlation_id", models.CharField(max_length=200)),
                ("adapter", models.CharField(max_length=100)),
                ("connection", models.CharField(blank=True, default="", max_length=100)),
                ("digest", models.CharField(help_text="SHA-256 of the request, without secrets.", max_length=64)),
                ("is_safe", models.BooleanField(default=False, help_text="It changes nothing outside.")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("sending", "sending"),
                            ("succeeded", "succeeded"),
                            ("refused", "refused"),
                            ("unavailable", "unavailable"),
                            ("throttled", "throttled"),
                            ("unknown", "unknown"),
                            ("settled", "settled"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "happened",
                    models.BooleanField(
                        help_text="Whether the effect is there outside; empty: nobody knows.", null=True
                    ),
                ),
                ("is_uncertain", models.BooleanField(default=False, help_text="An earlier attempt may have happened.")),
                ("settled_by", models.CharField(blank=True, default="", max_length=10)),
                ("attempts", models.IntegerField(help_text="How often it was sent.")),
                ("look_ups", models.IntegerField(default=0, help_text="How often it was looked up.")),
                ("first_sent_at", models.DateTimeField()),
                ("last_sent_at", models.DateTimeField()),
                ("until_at", models.DateTimeField(help_text="When its last attempt is over at the latest.")),
                ("duration_ms", models.FloatField(help_text="How long the last attempt took.", null=True)),
                ("evidence", models.JSONField(help_text="What is known of the last failure or settlement.", null=True)),
                ("output", models.JSONField(help_text="What it gave, unless that is too large.", null=True)),
                ("has_output", models.BooleanField(default=False)),
            ],
            options={
                "db_table": "integrations_call",
                "ordering": ("-first_sent_at", "key"),
                "indexes": [
                    models.Index(fields=["key"], name="call_by_key"),
                    models.Index(fields=["-first_sent_at"], name="call_by_time"),
                    models.Index(fields=["connection", "-first_sent_at"], name="call_by_connection"),
                    models.Index(
                        condition=models.Q(("happened__isnull", True)), fields=["-first_sent_at"], name="call_unsettled"
                    ),
                ],
            },
        ),
        migrations.RunSQL(sql=PRIMARY_KEY, reverse_sql=migrations.RunSQL.noop),
    ]
