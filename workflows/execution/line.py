"""The line in front of a limit: takes slots for a step that begins, and hands them on when it has ended.

A slot is freed by the database in the statement that ends its holder's lease, so nothing here can forget it.
What follows here is speed: whoever waits first goes on at once, without a trip through the broker if it can.
"""

from collections.abc import Sequence

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from workflows import limit_store, plans, statements, store
from workflows.core.outcome import Postponed
from workflows.core.states import WaitReason
from workflows.execution.cursor import Cursor, open_cursor

log = structlog.get_logger(__name__)
LOOK_AGAIN_S = 60.0
"""Who waits in line is woken; it looks again by itself only in case everybody who could wake it is gone."""
_TRIES = 20


def enter(cursor: Cursor, *, called: str = "") -> Postponed | None:
    """This will take the slots the cursor's step needs; when there is no room, its place in line instead.

    `called` is the limit whose line it has just been called out of.
    """
    if cursor.has_slots:
        return None
    missing = limit_store.take_slots(hold=cursor.hold, limits=cursor.segment.limits, called=called)
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
    with transaction.atomic():
        woken = limit_store.wake_line(limits=cursor.segment.limits, most=1)
        own = next((one for one in woken if may_take and one.lane == cursor.segment.lane), None)
        if len(woken) > (own is not None):
            statements.run("notify", {})
        if own is None:
            return (), True
        claims = store.claim(refs=[own.ref], owner=cursor.owner, lease_s=settings.LEASE_S)
        taken = [
            open_cursor(claim, program=plans.program_of(claim.version_id), now=timezone.now(), owner=cursor.owner)
            for claim in claims
        ]
        pauses = [pause for one in taken if (pause := enter(one, called=own.limit)) is not None]
        if pauses:
            store.postpone(holds=[one.postponed(pause) for one, pause in zip(taken, pauses, strict=True)])
            return (), False
    return taken, True
