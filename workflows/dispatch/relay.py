"""The dispatcher: takes what is due, sends it, waits for the next thing to be due.

It is outbox relay, timer and recovery in one, because all three are the same question. Any number may run: each
row is taken by one of them. Nothing is held in memory, so it may be killed at any moment.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from workflows import operations, plans, statements, store
from workflows.dispatch import canvas
from workflows.dispatch.doorbell import Doorbell
from workflows.dispatch.order import Order, Round
from workflows.dispatch.publisher import Publisher
from workflows.plans import Program
from workflows.store import Due

log = structlog.get_logger(__name__)
_UNSENT_AGAIN_S = 1.0
_LOOK_EVERY_S = 1.0
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
    readable = [due for due in dues if due.version_id in programs and not due.is_gated]
    _admit(dues)
    unsent = publisher.send(canvas.parcels(readable, programs=programs))
    if unsent:
        log.warning("dispatch_undone", activations=len(unsent), again_in_s=_UNSENT_AGAIN_S)
        store.undo_take(refs=unsent, delay_s=_UNSENT_AGAIN_S)
    return taken


def _admit(dues: Sequence[Due]) -> None:
    """Runs whose time at a gate has come; one that cannot go on is due again, and holds up no other."""
    for run_id in dict.fromkeys(due.run_id for due in dues if due.is_gated):
        try:
            operations.admit_due(run_id=run_id, now=timezone.now())
        except Exception:  # whatever is wrong with it, the others must go on
            log.exception("admission_failed", run_id=str(run_id))


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
    while not is_stopping():
        try:
            rooms = publisher.rooms()
            taken = dispatch_due(publisher, order=order, rooms=rooms)
            if len(taken.dues) > 1:
                time.sleep(_GATHER_S)
            if not taken.has_more:
                publisher.look_ahead()
                if statements.renew_plans():  # by a round that finds nothing, and not by one that somebody waits for
                    taken = dispatch_due(publisher, order=order, rooms=publisher.rooms())
                if not doorbell.is_ringing():
                    is_blocked = len(rooms) < len(publisher.lanes)
                    doorbell.wait(_pause_s(is_blocked=is_blocked, is_idle=not taken.dues))
        except DatabaseError:
            log.warning("database_away", exc_info=True)
            connection.close()
            doorbell.close()
            time.sleep(_AWAY_S)


def _pause_s(*, is_blocked: bool, is_idle: bool) -> float:
    """Until the next thing is due; a lane that is full is looked at again soon, and so is what others have locked."""
    if is_blocked:
        return _BLOCKED_S
    due_s = store.next_due_s()
    if due_s is None:
        return _LOOK_EVERY_S
    return min(max(due_s, _BLOCKED_S if is_idle else 0.0), _LOOK_EVERY_S)
