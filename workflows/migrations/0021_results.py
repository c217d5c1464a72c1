"""Results set by hand: their rows and their permission."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0020_events_by_month"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="run",
            options={"ordering": ("-id",), "permissions": (("set_result", "Can set the result of a step by hand"),)},
        ),
        migrations.AddField(
            model_name="inputoverride",
            name="is_result",
            field=models.BooleanField(db_default=False, default=False, help_text="The payload is its result."),
        ),
        migrations.AlterField(
            model_name="inputoverride",
            name="payload",
            field=models.JSONField(null=True),
        ),
    ]
