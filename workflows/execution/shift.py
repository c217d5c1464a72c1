"""What a worker does with a wake-up: claims what it names, carries it as far as it may, commits each step.

Several runs go forward in lock-step, so that short steps share commits. A step that may take time never keeps
the result of another one waiting. After a bounded time the worker gives everything back, so that priority counts.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.utils import timezone

from workflows import store
from workflows.execution import admitting, attempts, items, line, pace, pausing, settlement
from workflows.execution.cursor import Cursor
from workflows.execution.leases import keeper, owner_name
from workflows.execution.settlement import Ended
from workflows.execution.turn import Turn
from workflows.store import ActivationRef

_SHARE_S = 0.005


@dataclass(slots=True)
class _Shift:
    """The work of one wake-up: cursors under way, results not yet committed, and whether it may still last."""

    turn: Turn
    waiting: list[Cursor] = field(default_factory=list)
    results: list[Ended] = field(default_factory=list)
    oldest: float = 0.0


def execute(refs: Sequence[ActivationRef], *, carries: frozenset[int] = frozenset(), rank: int = 0) -> int:
    """This will carry the named activations as far as they go in bounded time; gives how many were claimed.

    `rank` is the place of their lane in the order of urgency: they make way for what waits with a lower one.
    """
    owner = owner_name()
    began = time.monotonic()
    claims = store.claim(refs=refs, owner=owner, lease_s=settings.LEASE_S)
    if not claims:
        return 0
    keeper.hold(claims, since=began)
    shift = _Shift(turn=Turn(seconds=settings.SHIFT_S, rank=rank))
    try:
        for claim in claims:
            cursors = admitting.admit(claim, owner=owner, carries=carries, now=timezone.now())
            _go_on(shift, cursors, since=began)
        while shift.waiting:
            _round(shift)
    finally:
        keeper.drop_all()
    return len(claims)


def _round(shift: _Shift) -> None:
    """Take every cursor one step further."""
    cursors, shift.waiting = shift.waiting, []
    for position, cursor in enumerate(cursors):
        if shift.turn.is_over(has_slot=cursor.has_slots):
            _commit(shift)
            _give_back([*shift.waiting, *cursors[position:]], turn=shift.turn)
            shift.waiting = []
            return
        if pausing.put_aside(cursor):
            continue
        if cursor.takes_limits:
            _limited(shift, cursor)
        elif cursor.segment.is_map:
            _commit(shift)
            _pull(shift, cursor)
        else:
            _step(shift, cursor)
    _commit(shift)


def _limited(shift: _Shift, cursor: Cursor) -> None:
    """Do what has limits alone, from the slots it takes to those who waited for them."""
    _commit(shift)
    pause = line.enter(cursor)
    if pause is not None:
        shift.results.append(Ended(cursor, pause, timezone.now()))
    elif cursor.segment.is_map:
        _pull(shift, cursor)
    else:
        _step(shift, cursor)
    _commit(shift)
    began = time.monotonic()
    _go_on(shift, line.hand_on(cursor, may_take=not shift.turn.is_over(has_slot=True)), since=began)


def _pull(shift: _Shift, cursor: Cursor) -> None:
    began = time.monotonic()
    _go_on(shift, items.work(cursor, turn=shift.turn), since=began)


def _step(shift: _Shift, cursor: Cursor) -> None:
    if shift.results and not pace.is_quick(cursor):
        _commit(shift)
    if not keeper.is_held(cursor.claim):
        return
    now = timezone.now()
    cursor.step_started_at = now
    began = time.monotonic()
    outcome = attempts.attempt_step(cursor, now=now)
    ended = time.monotonic()
    pace.learn(cursor, seconds=ended - began)
    shift.results.append(Ended(cursor, outcome, timezone.now()))
    if len(shift.results) == 1:
        shift.oldest = began
    if ended - shift.oldest > _SHARE_S:
        _commit(shift)


def _commit(shift: _Shift) -> None:
    if not shift.results:
        return
    results, shift.results = shift.results, []
    _settle(shift, results)


def _settle(shift: _Shift, results: Sequence[Ended]) -> None:
    began = time.monotonic()
    _go_on(shift, settlement.settle(results), since=began)


def _go_on(shift: _Shift, cursors: Sequence[Cursor], *, since: float) -> None:
    """What goes on does so in the next round, under a lease that is kept alive."""
    keeper.hold([cursor.claim for cursor in cursors], since=since)
    shift.waiting.extend(cursors)


def _give_back(cursors: Sequence[Cursor], *, turn: Turn) -> None:
    if cursors:
        store.release(holds=[cursor.hold for cursor in cursors], keeps_place=turn.is_preempted)
