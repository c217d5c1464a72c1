"""The audit trail: its table, the triggers that keep it append-only, and the function that writes it."""

import django.contrib.postgres.indexes
from django.db import migrations, models

APPEND_ONLY = """
create function audit_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'audit_event is append-only: % refused', tg_op
        using errcode = 'insufficient_privilege',
              hint = 'Record a new event that tells about the correction.';
end
$$;
create trigger audit_event_append_only
    before update or delete or truncate on audit_event
    for each statement execute function audit_refuse_change();
"""

MODIFIABLE = """
drop trigger audit_event_append_only on audit_event;
drop function audit_refuse_change();
"""

RECORD = """
create function audit_record(events jsonb) returns bigint language plpgsql as $$
declare
    recorded bigint;
begin
    insert into audit_event
        (at, kind, actor, subject_type, subject_id, correlation_id, payload, digest)
    select
        event.at, event.kind, event.actor, event.subject_type, event.subject_id,
        event.correlation_id, event.payload, decode(event.digest, 'hex')
    from jsonb_to_recordset(events) as event(
        at timestamptz, kind text, actor text, subject_type text, subject_id text,
        correlation_id text, payload text, digest text
    );
    get diagnostics recorded = row_count;
    return recorded;
end
$$;
comment on function audit_record(jsonb) is
    'Inserts an array of encoded events in its order and returns how many; '
    'called inside the statement that makes the change, so that both commit or neither does.';
"""


class Migration(migrations.Migration):
    """This will create the table, its triggers and its one writing function."""

    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("kind", models.TextField()),
                ("actor", models.TextField()),
                ("subject_type", models.TextField()),
                ("subject_id", models.TextField()),
                ("correlation_id", models.TextField()),
                (
                    "payload",
                    models.TextField(help_text="Canonical JSON, byte for byte what the digest was computed from."),
                ),
                (
                    "digest",
                    models.BinaryField(help_text="SHA-256 over the canonical JSON of the event.", max_length=32),
                ),
            ],
            options={
                "db_table": "audit_event",
                "indexes": [
                    models.Index(fields=["subject_id", "id"], name="audit_event_subject"),
                    django.contrib.postgres.indexes.BrinIndex(fields=["at"], name="audit_event_at"),
                ],
            },
        ),
        migrations.RunSQL(sql=APPEND_ONLY, reverse_sql=MODIFIABLE),
        migrations.RunSQL(sql=RECORD, reverse_sql="drop function audit_record(jsonb);"),
    ]
