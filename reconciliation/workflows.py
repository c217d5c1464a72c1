"""What the engine calls of this app: the steps of the workflows that are published with a job."""

import uuid
from typing import Any

from django.utils import timezone

from audit.events import Actor, ActorKind
from integrations.errors import Refused, Unavailable
from reconciliation import comparing, operations
from reconciliation.errors import ComparisonLost, ComparisonUnderWay, ReconciliationError
from workflows.core.context import StepContext
from workflows.registry import function


@function
def compare_job(job: str, dry_run: bool, context: StepContext) -> dict[str, Any]:  # Any: JSON
    """Compares both sides of a job; an attempt after a lost one begins anew, and nothing is half applied."""
    try:
        row = comparing.carry_out(
            name=job,
            is_dry_run=dry_run,
            actor=_actor(context),
            now=timezone.now(),
            run_id=uuid.UUID(context.run_id),
            alive=lambda rows: context.heartbeat({"rows": rows}),
        )
    except (ComparisonUnderWay, ComparisonLost) as error:
        raise Unavailable(str(error)) from error
    except ReconciliationError as error:  # the job or a side is wrong: another attempt would find the same
        raise Refused(str(error)) from error
    planned = {name: one.get("planned", 0) for name, one in row.plan.get("rules", {}).items()}
    return {
        "comparison": row.pk,
        "found": row.found,
        "opened": row.opened,
        "reopened": row.reopened,
        "confirmed": row.confirmed,
        "standing": row.standing,
        "planned": 0 if row.is_dry_run else sum(planned.values()),
        "by_rule": planned,
        "asks_for": row.plan.get("asks_for", []),
    }


@function
def start_repairs(comparison: int, agreed: bool, context: StepContext) -> int:
    """Starts a run for each repair a comparison planned."""
    return operations.start_repairs(comparison_id=comparison, agreed=agreed, actor=_actor(context), now=timezone.now())


@function
def note_repair(repair: int) -> bool:
    """Notes that a repair was carried out."""
    return operations.note_repair(repair_id=repair, now=timezone.now())


def _actor(context: StepContext) -> Actor:
    return Actor(kind=ActorKind.ENGINE, id=f"run:{context.run_id}")
