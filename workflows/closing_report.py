"""Tells what a run has done and still owes at its end: what is at work, undone, or to come; it reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from workflows import plans, queries
from workflows.core import closing
from workflows.core.closing import Past
from workflows.core.plan import Plan
from workflows.core.states import Phase, StepState
from workflows.models import Activation, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingReport:
    """The end of a run, by steps. Of a run that has ended `to_undo` is what an undo on demand would undo.

    `ending` is empty where nobody has decided yet as what it ends. `until` is when what is `going` is stopped.
    """

    ending: str
    until: datetime | None
    done: Sequence[str]
    going: Sequence[str]
    undone: Sequence[str]
    to_undo: Sequence[str]
    at_end: Sequence[str]


def report_of(run: Run) -> ClosingReport | None:
    """This will tell of the end of a run; None where there is nothing to tell: it is at work, or owes nothing ever."""
    plan = plans.program_of(run.program_id).plan
    if not (run.ending if run.ended_at is None else plan.undo_of):
        return None
    past = queries.past_of(run_id=run.id)
    rows = Activation.objects.filter(run_id=run.id).order_by("segment")
    going = {step.id: step for step in map(plans.step_of, rows)}
    may_undo = run.is_undoing or run.ended_at is not None
    return ClosingReport(
        ending=run.ending,
        until=run.deadline_at if any(step.phase is Phase.MAIN for step in going.values()) else None,
        done=[step for step in plan.main if step in past and past[step].state is StepState.SUCCEEDED],
        going=list(going),
        undone=_undone(plan, past=past),
        to_undo=list(closing.not_undone(plan, past=past)) if may_undo else [],
        at_end=[step for step in plan.finals if step not in past] if run.ended_at is None else [],
    )


def _undone(plan: Plan, *, past: Mapping[str, Past]) -> Sequence[str]:
    rest = closing.not_undone(plan, past=past)
    return [step for step in closing.to_undo(plan, past=past) if step not in rest]
