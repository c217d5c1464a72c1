"""Runs, calls and events as classes of data: their tables, and which rows stay however old they are."""

from django.conf import settings

from retention.classes import DataClass, Divided
from retention.core.months import KeyKind

_BUSY = """
select count(*) from workflows_run
where id >= %(begin)s::uuid and id < %(end)s::uuid and state = 'running'
"""
_KEPT = """
select run.id from workflows_run as run
where run.id >= %(begin)s::uuid and run.id < %(end)s::uuid and (
    run.id::text = any(%(runs)s::text[]) or run.workflow_name = any(%(workflows)s::text[])
    or run.correlation_id = any(%(correlations)s::text[])
    or exists (
        select from workflows_deadletter as letter
        where letter.run_id = run.id and letter.state = 'open'
            and letter.run_id >= %(begin)s::uuid and letter.run_id < %(end)s::uuid))
"""
"""Held, or failed in a way that nobody has answered yet: what is requeued needs its run."""

RUNS = DataClass(
    name="runs",
    kind=KeyKind.UUID7,
    tables=(
        Divided(name="workflows_run", key="id", match="id"),
        Divided(name="workflows_step", key="run_id", match="run_id"),
        Divided(name="workflows_fanout", key="run_id", match="run_id"),
        Divided(name="workflows_item", key="run_id", match="run_id"),
        Divided(name="workflows_attempt", key="run_id", match="run_id"),
        Divided(name="workflows_deadletter", key="run_id", match="run_id"),
    ),
    months=lambda: settings.RETENTION_RUNS_MONTHS,
    busy=_BUSY,
    kept=_KEPT,
    tidy=(
        ("workflows_startkey", "run_id"),
        ("workflows_joinedstart", "run_id"),
        ("workflows_inputoverride", "run_id"),
        ("workflows_childrun", "parent_id"),
        ("workflows_retry", "run_id"),
        ("workflows_heartbeat", "run_id"),
        ("workflows_eventwait", "run_id"),
        ("workflows_humanlink", "run_id"),
        ("workflows_humandelegation", "run_id"),
        ("workflows_humananswer", "run_id"),
        ("workflows_humanrequest", "run_id"),
        ("workflows_grownplan", "run_id"),
        ("workflows_dryrun", "run_id"),
    ),
)

_HELD_CALLS = """
select call.run_id from integrations_call as call
where call.run_id >= %(begin)s::uuid and call.run_id < %(end)s::uuid and (
    call.run_id::text = any(%(runs)s::text[]) or call.workflow_name = any(%(workflows)s::text[])
    or call.correlation_id = any(%(correlations)s::text[]) or (call.happened is null and not call.is_safe))
group by call.run_id
"""
"""Held, or of unknown outcome: somebody has to find out first. As long as its run goes on, a call may be met again."""

CALLS = DataClass(
    name="calls",
    kind=KeyKind.UUID7,
    tables=(Divided(name="integrations_call", key="run_id", match="run_id"),),
    months=lambda: settings.RETENTION_CALLS_MONTHS,
    busy=_BUSY,
    kept=_HELD_CALLS,
    tidy=(("integrations_call_file", "run_id"),),
)

_ALIVE = """
select count(*) from workflows_event
where id >= %(begin)s::uuid and id < %(end)s::uuid and expires_at > now()
"""
_RECEIVED = """
select event.id from workflows_event as event
where event.id >= %(begin)s::uuid and event.id < %(end)s::uuid and (
    event.key = any(%(correlations)s::text[])
    or exists (
        select from workflows_eventwait as wait
        join workflows_run as run on run.id = wait.run_id
        where wait.event = event.id and (
            run.state = 'running' or run.id::text = any(%(runs)s::text[])
            or run.workflow_name = any(%(workflows)s::text[])
            or run.correlation_id = any(%(correlations)s::text[]))))
"""
"""Held by its key or by a run that received it, or received by one that has not ended."""

EVENTS = DataClass(
    name="events",
    kind=KeyKind.UUID7,
    tables=(Divided(name="workflows_event", key="id", match="id"),),
    months=lambda: settings.RETENTION_EVENTS_MONTHS,
    busy=_ALIVE,
    kept=_RECEIVED,
    tidy=(("workflows_eventkey", "event"),),
)
