"""What the clock alone brings about: times that have passed, incidents that are over, lines that nobody wakes, runs
that shall end with the one that started them.

Lost work is found by the dispatcher itself. Sweeps have a thread of their own: a start does not wait for them.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from workflows import queries
from workflows.errors import RunBusy
from workflows.execution import overruns, silence
from workflows.operations import children, endings, gate_sweeps, incidents, limits, pausing, poison, releasing

log = structlog.get_logger(__name__)
_EVERY_S = 1.0
_GATES_EVERY_S = 60.0


def run(*, wait: Callable[[float], bool]) -> None:
    """This will sweep until `wait` (of seconds, at most) says that it is time to end; a lost database is waited for."""
    gates_swept_at = float("-inf")
    try:
        while not wait(_EVERY_S):
            try:
                sweep(now=timezone.now())
                if time.monotonic() - gates_swept_at >= _GATES_EVERY_S:
                    sweep_gates(now=timezone.now())
                    gates_swept_at = time.monotonic()
            except DatabaseError:
                log.warning("sweep_waits_for_database", exc_info=True)
                connection.close()
            except Exception:  # whatever it was, what waits for the clock must not wait for ever
                log.exception("sweep_failed")
    finally:
        connection.close()


def sweep(*, now: datetime) -> int:
    """This will end steps and runs whose time is over, and settle incidents; gives how many runs. Several may run.

    One look says which parts may have something to do; the others are left out.
    """
    done = {name: PARTS[name](now) for name in queries.sweeps_wanted(now=now)}
    return done.get("deadlines") or 0


def sweep_gates(*, now: datetime) -> None:
    """This will tidy up the gates of flow control; safe beside other sweeps."""
    gate_sweeps.free_lost_slots(now=now)
    gate_sweeps.sweep_gates(now=now)


def _expire(now: datetime) -> int:
    expired = [run_id for run_id in queries.past_deadline(now=now) if _expire_one(run_id, now=now)]
    if expired:
        log.warning("runs_past_deadline", runs=[str(run_id) for run_id in expired])
    return len(expired)


def _expire_one(run_id: UUID, *, now: datetime) -> bool:
    """One that somebody holds is looked at again; the others must go on."""
    try:
        return endings.expire_run(run_id=run_id, now=now)
    except RunBusy:
        log.warning("run_not_expired", run_id=str(run_id), exc_info=True)
        return False


PARTS: Mapping[str, Callable[[datetime], int | None]] = {
    "deadlines": _expire,
    "overruns": lambda now: overruns.sweep(now=now),
    "silence": lambda now: silence.sweep(now=now),
    "messages": lambda now: poison.sweep(now=now),
    "incidents": lambda now: incidents.sweep(now=now),
    "limits": lambda _now: limits.mend(),
    "pauses": lambda now: pausing.sweep(now=now),
    "children": lambda now: children.sweep(now=now),
    "canaries": lambda now: releasing.sweep(now=now),
}
"""The parts of a sweep, by the names that the statement `find_sweeps` gives, in the order in which they go."""
