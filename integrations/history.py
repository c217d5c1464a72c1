"""How rows of the outside world end: what was sent goes in batches, what is configured stays; it never reads a row."""

from django.conf import settings

from retention.classes import Swept

NOTIFICATIONS = Swept(
    table="automation_notification",
    over="""it.created_at < %(limit)s and it.state <> 'pending'
        and not it.about = any(%(runs)s::text[]) and not it.correlation_id = any(%(correlations)s::text[])
        and not exists (select from workflows_run as run where run.id::text = it.about
            and run.workflow_name = any(%(workflows)s::text[]))""",
    months=lambda: settings.RETENTION_NOTIFICATIONS_MONTHS,
    why="the key of a message must be one over all months, and people are told far less often than machines work",
)
RATE_BUCKETS = Swept(
    table="integrations_ratebucket",
    key="key",
    over="""greatest(it.due_at, it.free_at) < extract(epoch from %(limit)s::timestamptz - interval '1 day') * 1000000
        and it.places = '{}'::jsonb""",
    months=None,
    why="a row for each key of a limit that was asked while Redis was away; a day later it says nothing any more",
)
DECLARED = ("integrations_connection", "integrations_storedsecret")
