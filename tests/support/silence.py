"""The one definition of a run that does not say what it waits for; read with any connection, at any moment."""

_QUERY = """
select run.id, 'has no activation' from workflows_run as run
where {runs} and run.state = 'running'
    and not exists (select from workflows_activation as activation where activation.run_id = run.id)
union all
select run.run_id, format('%%s because of %%s (%%s), owner %%L', state, wait_reason, wait_object, owner)
from workflows_activation as run
where {activations} and not (
    (state = 'ready' and wait_reason = 'worker')
    or (state = 'leased' and wait_reason = 'running' and owner <> '')
    or (state = 'waiting' and wait_reason in ('retry', 'items', 'rate', 'breaker') and owner = '')
    or (state = 'waiting' and wait_reason not in ('worker', 'running') and wait_object <> '' and owner = ''))
"""
OF_ALL = _QUERY.format(runs="true", activations="true").replace("%%", "%")
"""Of every run; it takes no parameters. It gives the run's id, and what was seen."""
OF_SOME = _QUERY.format(runs="run.id = any(%(runs)s)", activations="run.run_id = any(%(runs)s)")
"""Of the runs whose ids are in the parameter `runs`."""
