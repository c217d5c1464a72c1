"""Tokens with the scope for results set by hand."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("automation", "0003_events_scope"),
    ]

    operations = [
        migrations.AlterField(
            model_name="apitoken",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("runs:read", "runs:read"),
                        ("runs:write", "runs:write"),
                        ("definitions:write", "definitions:write"),
                        ("results:write", "results:write"),
                        ("dead_letters:write", "dead_letters:write"),
                        ("events:write", "events:write"),
                        ("admin", "admin"),
                    ],
                    max_length=30,
                ),
                size=None,
            ),
        ),
    ]
