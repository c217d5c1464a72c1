"""How often people were reminded of what they are asked."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0029_answer_links"),
    ]

    operations = [
        migrations.AddField(
            model_name="humanrequest",
            name="reminded",
            field=models.SmallIntegerField(default=0, help_text="How many reminders were due."),
        ),
    ]
