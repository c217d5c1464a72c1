"""What the clock alone brings about: times that have passed, incidents that are over, lines that nobody wakes, runs
that shall end with the one that started them.

Lost work is found by the dispatcher itself.
"""

from datetime import datetime

import structlog

from workflows import queries
from workflows.execution import overruns, silence
from workflows.operations import children, endings, gate_sweeps, incidents, limits, pausing, poison

log = structlog.get_logger(__name__)


def sweep(*, now: datetime) -> int:
    """This will end steps and runs whose time is over, and settle incidents; gives how many runs. Several may run."""
    expired = [run_id for run_id in queries.past_deadline(now=now) if endings.expire_run(run_id=run_id, now=now)]
    if expired:
        log.warning("runs_past_deadline", runs=[str(run_id) for run_id in expired])
    overruns.sweep(now=now)
    silence.sweep(now=now)
    poison.sweep(now=now)
    incidents.sweep(now=now)
    limits.mend()
    pausing.sweep(now=now)
    children.sweep(now=now)
    return len(expired)


def sweep_gates(*, now: datetime) -> None:
    """This will tidy up the gates of flow control; safe beside other sweeps."""
    gate_sweeps.free_lost_slots(now=now)
    gate_sweeps.sweep_gates(now=now)
