"""How rows of the engine end that belong to no run alone, or that stand for something under way; it reads no row."""

from django.conf import settings

from retention.classes import Stay, Swept


def _months() -> int:
    return settings.RETENTION_OPERATIONS_MONTHS


POISON = Swept(
    table="workflows_poisonmessage",
    over="""it.state <> 'open' and it.changed_at < %(limit)s
        and not exists (select from jsonb_array_elements(it.refs) as ref where ref ->> 0 = any(%(runs)s::text[]))""",
    months=_months,
    why="a row for each message that no worker could take: there should be none",
)
HOURS = Swept(
    table="workflows_incidenthour",
    key="fingerprint",
    over="it.begins_at < %(limit)s",
    months=_months,
    why="counts: at most a row an hour for each incident",
)
INCIDENTS = Swept(
    table="workflows_incident",
    key="fingerprint",
    over="""it.state in ('resolved', 'discarded') and it.changed_at < %(limit)s and it.last_seen_at < %(limit)s
        and not it.workflow_name = any(%(workflows)s::text[])
        and not exists (select from workflows_deadletter as letter where letter.fingerprint = it.fingerprint)
        and not exists (select from workflows_poisonmessage as poison where poison.fingerprint = it.fingerprint)""",
    months=_months,
    also=(("workflows_incidenthour", "fingerprint"),),
    is_alone=True,
    why="one for all equal failures; it goes when its dead letters have gone with their runs",
)
SWEPT = (POISON, HOURS, INCIDENTS)
BY_STAY = {
    Stay.DECLARED: (
        "workflows_limit",
        "workflows_pauseepoch",
        "workflows_release",
        "workflows_workflow",
        "workflows_workflowversion",
    ),
    Stay.UNDER_WAY: (
        "workflows_activation",
        "workflows_gate",
        "workflows_pause",
        "workflows_runslot",
        "workflows_slot",
    ),
}
