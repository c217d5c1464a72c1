"""The use cases of the engine: each opens its transaction, audits and makes due what follows.

from workflows import operations
operations.start_run(workflow="order", start=operations.Start(input=order), actor=actor, now=timezone.now())
"""

from workflows.operations.endings import cancel_run, expire_run
from workflows.operations.limits import delete_limit, set_limit
from workflows.operations.publishing import check, publish, set_enabled
from workflows.operations.repairs import discard_dead_letter, requeue_dead_letter
from workflows.operations.starting import Start, Started, start_run, start_runs

__all__ = [
    "Start",
    "Started",
    "cancel_run",
    "check",
    "delete_limit",
    "discard_dead_letter",
    "expire_run",
    "publish",
    "requeue_dead_letter",
    "set_enabled",
    "set_limit",
    "start_run",
    "start_runs",
]
