"""How rows of reconciliation end: what is closed goes in batches, what people declare stays; it never reads a row."""

from django.conf import settings

from retention.classes import Swept


def _months() -> int:
    return settings.RETENTION_RECONCILIATION_MONTHS


VARIANCES = Swept(
    table="reconciliation_variance",
    over="""it.state = 'closed' and it.closed_at < %(limit)s
        and not it.trace = any(%(correlations)s::text[]) and not it.trace = any(%(runs)s::text[])
        and not exists (select from reconciliation_repair as repair join workflows_run as run on run.id = repair.run_id
            where repair.variance_id = it.id and (run.state = 'running' or run.id::text = any(%(runs)s::text[])
                or run.workflow_name = any(%(workflows)s::text[])
                or run.correlation_id = any(%(correlations)s::text[])))""",
    months=_months,
    also=(("reconciliation_repair", "variance_id"),),
    why="one that is not closed stays however old it is, in the same months as those that go",
)
COMPARISONS = Swept(
    table="reconciliation_comparison",
    over="""it.state <> 'running' and it.started_at < %(limit)s
        and not coalesce(it.run_id::text, '') = any(%(runs)s::text[])
        and not exists (select from workflows_run as run where run.id = it.run_id and (run.state = 'running'
            or run.workflow_name = any(%(workflows)s::text[]) or run.correlation_id = any(%(correlations)s::text[])))
        and not exists (select from reconciliation_variance as one where one.first_comparison_id = it.id)
        and not exists (select from reconciliation_variance as one where one.last_comparison_id = it.id)
        and not exists (select from reconciliation_repair as repair where repair.comparison_id = it.id)""",
    months=_months,
    why="a few rows a day for each job; one that a variance speaks of stays with it",
)
DECLARED = ("reconciliation_job", "reconciliation_job_version")
EVIDENCE = ("reconciliation_rule_in_force",)
