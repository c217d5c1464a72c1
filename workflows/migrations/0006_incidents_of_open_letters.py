"""Incidents for the dead letters that are open; those that were resolved before stay without one."""

from django.db import migrations

from workflows.core import fingerprint

_TITLE_CHARS = 300
_EXAMPLE_CHARS = 2_000


def raise_incidents(apps, _schema_editor):
    """This will give each open dead letter its fingerprint and have an incident for it; the sweep counts them."""
    letters = apps.get_model("workflows", "DeadLetter").objects.filter(state="open", fingerprint="")
    incidents = apps.get_model("workflows", "Incident").objects
    for letter in letters.defer("payload").order_by("id").iterator():
        letter.fingerprint = fingerprint.fingerprint(
            workflow=letter.workflow_name, step=letter.step, kind=letter.kind, message=letter.message
        )
        letter.is_counted = False
        letter.save(update_fields=["fingerprint", "is_counted"])
        incidents.get_or_create(
            fingerprint=letter.fingerprint,
            defaults={
                "workflow_name": letter.workflow_name,
                "step": letter.step,
                "kind": letter.kind,
                "title": fingerprint.template(letter.message)[:_TITLE_CHARS],
                "example": letter.message[:_EXAMPLE_CHARS],
                "first_seen_at": letter.created_at,
                "last_seen_at": letter.created_at,
                "opened_at": letter.created_at,
                "changed_at": letter.created_at,
            },
        )


class Migration(migrations.Migration):
    """This will read the open dead letters once."""

    dependencies = [("workflows", "0005_incidents")]
    operations = [migrations.RunPython(raise_incidents, migrations.RunPython.noop)]
