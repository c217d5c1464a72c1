from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("automation", "0013_finding_alerts")]

    operations = [
        migrations.AddField(
            model_name="webhookendpoint",
            name="format",
            field=models.CharField(
                choices=[
                    ("standard", "standard"),
                    ("cloudevents", "cloudevents"),
                    ("cloudevents-binary", "cloudevents-binary"),
                ],
                db_default="standard",
                default="standard",
                help_text=(
                    "How events are written; a CloudEvent stands in the body, or (binary) has its attributes in headers."
                ),
                max_length=20,
            ),
        ),
    ]
