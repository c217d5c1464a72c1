"""An index that gives the next activations of a lane: per fairness key and priority, the longest due first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """This will build one index on the table of what is under way."""

    dependencies = [("workflows", "0007_fair_shares")]
    operations = [
        migrations.AddIndex(
            model_name="activation",
            index=models.Index(fields=["lane", "fairness_key", "priority", "due_at"], name="activation_order"),
        ),
    ]
