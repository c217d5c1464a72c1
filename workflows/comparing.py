"""Reads two runs to compare them; it changes nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from workflows import inspection, plans, queries
from workflows.core.comparison import Comparison, RunSide, StepSide, compare_runs
from workflows.core.definition import JsonValue
from workflows.core.standing import Standing
from workflows.inspection import StepReport
from workflows.models import Run

MOST_ITEMS = 1_000
"""Outputs of a `for_each` are compared up to so many items; of a longer one the items by state."""


def compare(*, left: UUID, right: UUID) -> Comparison:
    """This will read two runs and put them side by side, as they are now. Raises UnknownRun."""
    return compare_runs(_side(queries.get_run(run_id=left)), _side(queries.get_run(run_id=right)))


def _side(run: Run) -> RunSide:
    reports = inspection.steps_of(run)
    outputs = _item_outputs(run, reports=reports)
    return RunSide(
        id=str(run.id),
        workflow=run.workflow_name,
        version=run.version.number,
        state=run.state,
        started_at=run.created_at,
        duration_s=_seconds(run.created_at, run.ended_at),
        input=run.input,
        output=run.output,
        error=run.error,
        steps={report.step: _step(report, outputs=outputs) for report in reports},
    )


def _item_outputs(run: Run, *, reports: Sequence[StepReport]) -> Mapping[str, JsonValue]:
    wanted = [report.step for report in reports if 0 < sum(report.items.values()) <= MOST_ITEMS]
    if not wanted:
        return {}
    results = queries.results_of(run_id=run.id, steps=wanted, plan=plans.program_of(run.program_id).plan)
    return {step: result["output"] for step, result in results.items()}


def _step(report: StepReport, *, outputs: Mapping[str, JsonValue]) -> StepSide:
    return StepSide(
        state=Standing(report.state).value,
        attempts=report.attempts,
        duration_s=_seconds(report.started_at, report.ended_at),
        output=outputs.get(report.step, report.output),
        error=report.error,
        items=report.items,
    )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()
