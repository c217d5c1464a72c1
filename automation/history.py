"""How rows of triggers, schedules, webhooks and alerts end, beside those that go with a month; it never reads a row."""

from django.conf import settings

from retention.classes import Swept


def _operations() -> int:
    return settings.RETENTION_OPERATIONS_MONTHS


FIRES = Swept(
    table="automation_fire",
    over="""it.recorded_at < %(limit)s and it.state not in ('due', 'buffered', 'sending') and it.run_state <> 'running'
        and not coalesce(it.run_id::text, '') = any(%(runs)s::text[])
        and not exists (select from automation_schedule as schedule where schedule.id = it.schedule_id
            and (schedule.last_due_at <= it.due_at or schedule.workflow = any(%(workflows)s::text[])))
        and not exists (select from automation_backfill as backfill
            where backfill.id = it.backfill_id and backfill.state = 'running')
        and not exists (select from workflows_run as run where run.id = it.run_id
            and run.correlation_id = any(%(correlations)s::text[]))""",
    months=lambda: settings.RETENTION_FIRES_MONTHS,
    why="due times of any age are written, by backfills, and each must be one over all of them",
)
BACKFILLS = Swept(
    table="automation_backfill",
    over="""it.state <> 'running' and it.ended_at < %(limit)s
        and not exists (select from automation_fire as fire where fire.backfill_id = it.id)""",
    months=_operations,
    why="people ask for one now and then",
)
EVENT_TRIGGERS = Swept(
    table="automation_event_trigger",
    over="""it.ended_at < %(limit)s
        and not exists (select from automation_trigger_firing as firing where firing.trigger_id = it.id)""",
    months=_operations,
    why="one ends when a definition is published without it",
)
REFUSALS = Swept(
    table="automation_webhook_refusal",
    over="it.hour < %(limit)s",
    months=_operations,
    why="counts: at most a row an hour for each source and reason, however many requests come",
)
ALERTS = Swept(
    table="automation_alert",
    over="it.ended_at < %(limit)s",
    months=_operations,
    why="a row for each thing that was wrong, however often it was seen",
)
SWEPT = (FIRES, BACKFILLS, EVENT_TRIGGERS, REFUSALS, ALERTS)
DECLARED = (
    "automation_alert_rule",
    "automation_calendar",
    "automation_schedule",
    "automation_sinkcursor",
    "automation_webhook_endpoint",
    "automation_webhook_source",
)
EVIDENCE = ("automation_apitoken",)
