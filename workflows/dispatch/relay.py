"""The dispatcher: takes what is due, sends it, waits for the next thing to be due.

It is outbox relay, timer and recovery in one, because all three are the same question. Any number may run: each
row is taken by one of them. Nothing is held in memory, so it may be killed at any moment.
"""

import time
from collections.abc import Callable, Collection, Mapping

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from workflows import plans, store
from workflows.dispatch import canvas, sweeps
from workflows.dispatch.doorbell import Doorbell
from workflows.dispatch.order import Order, Round
from workflows.dispatch.publisher import Publisher
from workflows.plans import Program

log = structlog.get_logger(__name__)
_UNSENT_AGAIN_S = 1.0
_SWEEP_EVERY_S = 1.0
_AWAY_S = 0.5
_BLOCKED_S = 0.02
_GATHER_S = 0.004  # under load: what becomes due meanwhile shares messages


def dispatch_due(publisher: Publisher, *, order: Order, rooms: Mapping[str, int]) -> Round:
    """This will send wake-ups for what goes next of lanes with room for so many activations; gives what was taken."""
    taken = order.take(rooms)
    dues = taken.dues
    if not dues:
        return taken
    programs = _programs({due.version_id for due in dues})
    readable = [due for due in dues if due.version_id in programs]
    unsent = publisher.send(canvas.parcels(readable, programs=programs))
    if unsent:
        log.warning("dispatch_undone", activations=len(unsent), again_in_s=_UNSENT_AGAIN_S)
        store.undo_take(refs=unsent, delay_s=_UNSENT_AGAIN_S)
    return taken


def _programs(version_ids: Collection[int]) -> Mapping[int, Program]:
    """The programs of versions; one that this release cannot read holds up its own runs only."""
    programs: dict[int, Program] = {}
    for version_id in version_ids:
        try:
            programs[version_id] = plans.program_of(version_id)
        except DatabaseError:
            raise
        except Exception:  # whatever is wrong with it, the others must go on
            log.exception("version_unreadable", version_id=version_id)
    return programs


def run(*, publisher: Publisher, doorbell: Doorbell, is_stopping: Callable[[], bool]) -> None:
    """This will dispatch until told to stop. A lost database or broker is waited for, not died of."""
    order = Order()
    swept_at = 0.0
    while not is_stopping():
        try:
            rooms = publisher.rooms()
            taken = dispatch_due(publisher, order=order, rooms=rooms)
            if len(taken.dues) > 1:
                time.sleep(_GATHER_S)
            if time.monotonic() - swept_at >= _SWEEP_EVERY_S:
                sweeps.sweep(now=timezone.now())
                swept_at = time.monotonic()
            if not taken.has_more:
                publisher.look_ahead()
                if not doorbell.is_ringing():
                    doorbell.wait(_pause_s(is_blocked=len(rooms) < len(publisher.lanes)))
        except DatabaseError:
            log.warning("database_away", exc_info=True)
            connection.close()
            doorbell.close()
            time.sleep(_AWAY_S)


def _pause_s(*, is_blocked: bool) -> float:
    """Until the next thing is due; a lane that is full is looked at again soon, whatever is due."""
    if is_blocked:
        return _BLOCKED_S
    due_s = store.next_due_s()
    return _SWEEP_EVERY_S if due_s is None else min(due_s, _SWEEP_EVERY_S)
