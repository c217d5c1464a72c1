from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workflows", "0014_pauses")]

    operations = [
        migrations.AddField(
            model_name="activation",
            name="notice",
            field=models.SmallIntegerField(
                db_default=0, default=0, help_text="1: nothing comes after its step; 2: stop it."
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="ending",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="What it ends as when all it owes is done.",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="is_undoing",
            field=models.BooleanField(db_default=False, default=False, help_text="What was done is undone at its end."),
        ),
    ]
