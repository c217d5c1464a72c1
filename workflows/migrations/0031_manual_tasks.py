"""Manual tasks: who has one, and when it is due."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0030_reminders"),
    ]

    operations = [
        migrations.AddField(
            model_name="humanrequest",
            name="claimed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="humanrequest",
            name="claimed_by",
            field=models.CharField(
                blank=True, default="", help_text="The id of the user who has a task.", max_length=50
            ),
        ),
        migrations.AddField(
            model_name="humanrequest",
            name="claimed_name",
            field=models.CharField(blank=True, default="", help_text="The name at that time.", max_length=150),
        ),
        migrations.AddField(
            model_name="humanrequest",
            name="due_at",
            field=models.DateTimeField(help_text="When a task should be done.", null=True),
        ),
        migrations.AddField(
            model_name="humanrequest",
            name="overdue_at",
            field=models.DateTimeField(help_text="When it was found that it is overdue.", null=True),
        ),
    ]
