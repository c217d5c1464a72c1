"""Places a cursor at what was claimed, and settles first what a lost attempt costs; it performs no step.

It does so before anything else: a claim that is given back at once leaves no trace of the loss.
"""

from collections.abc import Sequence, Set
from datetime import datetime

from workflows import plans
from workflows.core.allowances import ANY_TIME
from workflows.core.waiting_kinds import WAITING_KINDS
from workflows.execution import fanout, frontier, items, losses, overruns, pausing, settlement
from workflows.execution.cursor import Cursor, open_cursor
from workflows.execution.settlement import Ended
from workflows.store import Claim


def admit(claim: Claim, *, owner: str, carries: Set[int], now: datetime) -> Sequence[Cursor]:
    """This will give the cursors to go on with: none where nothing follows the loss, or it was lost again.

    Nothing is begun any more that has notice of the end of its run.
    """
    program = plans.program_of(claim.version_id)
    cursor = open_cursor(claim, program=program, now=now, owner=owner, carries=frozenset(carries))
    is_lost = claim.was_lost and cursor.step.uses not in WAITING_KINDS
    if claim.notice and not cursor.segment.is_map:
        return frontier.stop(cursor, failure=losses.loss_of(cursor) if is_lost else None, at=now)
    which = overruns.judge(cursor, now=now)
    if which is not None and not pausing.is_covered(cursor):
        return overruns.end(cursor, which=which, now=now)
    if which is not None:
        cursor.latest = ANY_TIME  # it stands still while the pause lasts
    going = _note_loss(cursor, now=now) if is_lost else (cursor,)
    return going if which is None else [one for one in going if not pausing.put_aside(one)]


def _note_loss(cursor: Cursor, *, now: datetime) -> Sequence[Cursor]:
    if _holds_items(cursor):
        return (cursor,) if items.note_loss(cursor, now=now) else ()
    loss = losses.loss_of(cursor)
    if settlement.next_delay_s(cursor, failure=loss, now=now) is None:
        return settlement.settle([Ended(cursor, loss, now)])
    return (cursor,) if losses.note_loss(cursor, now=now) else ()


def _holds_items(cursor: Cursor) -> bool:
    """A puller loses items; a `for_each` that was not open yet is lost as a step."""
    return cursor.segment.is_map and (cursor.claim.slot > 0 or fanout.is_open(cursor))
