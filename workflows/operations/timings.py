"""Until when steps must have begun and ended that are ready now: the columns of their activations; it ends nothing.

A step that has such times is a segment of its own, so its activation begins and ends with it. While a run is held back
at a gate nothing is ready; while a pause keeps a step from beginning, its time stands still.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from workflows import plans
from workflows.core.allowances import Allowance, EntryTimes, stood_still
from workflows.core.pausing import PauseRule, Standpoint
from workflows.core.plan import Plan
from workflows.core.states import ActivationState
from workflows.models import Activation

HELD_BACK: Mapping[str, None] = {"latest_start_at": None, "latest_end_at": None}
"""The columns of what is not ready."""
TIMED = Q(latest_start_at__isnull=False) | Q(latest_end_at__isnull=False)


def entry_times(plan: Plan, *, segment: int, position: int) -> EntryTimes:
    """This will say how long a place of the plan may take; nothing where it may take any time."""
    allowance = plan.step_at(segment=segment, position=position).allowance
    times: EntryTimes = {}
    if allowance.schedule_to_start_s is not None:
        times["to_start_s"] = allowance.schedule_to_start_s
    if allowance.schedule_to_close_s is not None:
        times["to_close_s"] = allowance.schedule_to_close_s
    return times


def columns(allowance: Allowance, *, delay_s: float = 0.0) -> Mapping[str, Combinable]:
    """This will give the columns of an activation that is ready in `delay_s`, by the database's clock."""
    found: dict[str, Combinable] = {}
    if allowance.schedule_to_start_s is not None:
        found["latest_start_at"] = Now() + timedelta(seconds=delay_s + allowance.schedule_to_start_s)
    if allowance.schedule_to_close_s is not None:
        found["latest_end_at"] = Now() + timedelta(seconds=delay_s + allowance.schedule_to_close_s)
    return found


def begin(run_id: UUID, *, plan: Plan) -> None:
    """This will let the time of a run's steps begin that is let in now."""
    if not any(step.allowance.is_scheduled for step in plan.definition.all_steps):
        return
    for row in Activation.objects.filter(run_id=run_id).exclude(TIMED).order_by("id"):
        allowance = plan.step_at(segment=row.segment, position=row.position).allowance
        if allowance.is_scheduled:
            Activation.objects.filter(id=row.id).update(**columns(allowance))


def go_on(ended: PauseRule, *, others: Iterable[PauseRule], now: datetime) -> None:
    """This will add the time of a pause that ends to what the steps may take that waited under it."""
    rest = tuple(others)
    waiting = Activation.objects.filter(TIMED).exclude(state=ActivationState.LEASED).order_by("id")
    for row in waiting.select_related("run").select_for_update(of=("self",)):
        at = standpoint(row)
        extra = stood_still(ended, others=rest, at=at, ready_at=row.created_at, now=now)
        if extra:
            Activation.objects.filter(id=row.id).update(
                latest_start_at=F("latest_start_at") + extra, latest_end_at=F("latest_end_at") + extra
            )


def standpoint(activation: Activation) -> Standpoint:
    """This will say where the step of an activation stands, for the pauses."""
    plan = plans.program_of(activation.version_id).plan
    return Standpoint(
        run_id=str(activation.run_id),
        workflow=activation.run.workflow_name,
        lane=activation.lane,
        connection=plan.step_at(segment=activation.segment, position=activation.position).connection,
        created_at=activation.run.created_at,
    )
