"""The line in front of a limit: takes slots for a step that begins, and hands them on when it has ended.

A slot is freed by the database in the statement that ends its holder's lease, so nothing here can forget it.
What follows here is speed: whoever waits first goes on at once, without a trip through the broker if it can.
"""

from collections.abc import Sequence

import structlog
from django.conf import settings
from django.utils import timezone

from workflows import limit_store, plans, store
from workflows.core.outcome import Postponed
from workflows.core.states import WaitReason
from workflows.execution.cursor import Cursor, open_cursor

log = structlog.get_logger(__name__)
LOOK_AGAIN_S = 60.0
"""Who waits in line is woken; it looks again by itself only in case everybody who could wake it is gone."""
_TRIES = 20


def enter(cursor: Cursor) -> Postponed | None:
    """This will take the slots the cursor's step needs; when there is no room, its place in line instead."""
    if cursor.has_slots:
        return None
    missing = limit_store.take_slots(hold=cursor.hold, limits=cursor.segment.limits)
    if missing:
        return Postponed(reason=WaitReason.LIMIT, object=missing[0], delay_s=LOOK_AGAIN_S)
    cursor.has_slots = True
    return None


def hand_on(cursor: Cursor, *, may_take: bool) -> Sequence[Cursor]:
    """This will wake who is first in line for what the cursor wanted or had; gives the cursor to go on with.

    It comes after the commit that freed the slot or joined the line: whichever of two workers comes second sees
    what the first one did. The first in line that is on the worker's own lane goes on with it if it `may_take`.
    """
    for _ in range(_TRIES):
        taken, is_settled = _hand_on(cursor, may_take=may_take)
        if is_settled:
            return taken
    return ()


def _hand_on(cursor: Cursor, *, may_take: bool) -> tuple[Sequence[Cursor], bool]:
    """One try; it is not settled when the first in line could not go on, because another limit has no room."""
    lane = cursor.segment.lane if may_take else ""
    called = limit_store.hand_on(limits=cursor.segment.limits, lane=lane, owner=cursor.owner, lease_s=settings.LEASE_S)
    if called is None:
        return (), True
    program = plans.program_of(called.claim.version_id)
    taken = open_cursor(called.claim, program=program, now=timezone.now(), owner=cursor.owner)
    taken.has_slots = taken.segment.limits == (called.limit,)
    pause = enter(taken)
    if pause is None:
        return (taken,), True
    store.postpone(holds=[taken.postponed(pause)])
    return (), False
