"""The use cases of the engine: each opens its transaction, audits and makes due what follows.

from workflows import operations
operations.start_run(workflow="order", start=operations.Start(input=order), actor=actor, now=timezone.now())
"""

from workflows.operations.endings import cancel_run, expire_run
from workflows.operations.publishing import check, publish, set_enabled
from workflows.operations.repairs import discard_dead_letter, requeue_dead_letter
from workflows.operations.starting import Start, Started, start_run, start_runs
from workflows.operations.waiting import admit_due

__all__ = [
    "Start",
    "Started",
    "admit_due",
    "cancel_run",
    "check",
    "discard_dead_letter",
    "expire_run",
    "publish",
    "requeue_dead_letter",
    "set_enabled",
    "start_run",
    "start_runs",
]
