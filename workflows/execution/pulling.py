"""Pulls the items of a `for_each` on an event loop, one at a time; what an item is and costs is in `items`.

`parallel` pullers are `parallel` activations, so as many items wait at once as the definition allows, over all workers.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from django.utils import timezone

from workflows import store
from workflows.core.outcome import Outcome, Postponed
from workflows.execution import fanout, items, pausing
from workflows.execution.cursor import Cursor
from workflows.store import HeldItem

_LOOK_BACK_S = 0.5


async def pull(
    cursor: Cursor, *, attempt: Callable[[HeldItem], Awaitable[Outcome | None]], must_yield: Callable[[], bool]
) -> Sequence[Cursor]:
    """This will pull items until none is left, or until it must give the place to others; gives who goes on.

    `attempt` gives None where it began nothing, because the lease is lost.
    """
    over = await asyncio.to_thread(items.begin, cursor)
    if over is not None:
        return over
    held = await asyncio.to_thread(items.inherited, cursor)
    look_back_at = 0.0
    while held or (held := await _take(cursor, is_looking_back=time.monotonic() > look_back_at)):
        if time.monotonic() > look_back_at:
            look_back_at = time.monotonic() + _LOOK_BACK_S
        for item in held:
            if cursor.has_stopped:
                break
            if must_yield():
                await asyncio.to_thread(store.release, holds=[cursor.hold])
                return ()
            if not await _work_on(cursor, item=item, attempt=attempt):
                return ()
            if pausing.may_be_paused(cursor) and await asyncio.to_thread(pausing.put_aside, cursor):
                return ()
        held = ()
    return await asyncio.to_thread(fanout.end_puller, cursor)


async def _take(cursor: Cursor, *, is_looking_back: bool) -> Sequence[HeldItem]:
    return await asyncio.to_thread(items.take, cursor, limit=1, is_looking_back=is_looking_back)


async def _work_on(cursor: Cursor, *, item: HeldItem, attempt: Callable[[HeldItem], Awaitable[Outcome | None]]) -> bool:
    started_at = timezone.now()
    outcome = await attempt(item)
    if outcome is None:
        return False
    if isinstance(outcome, Postponed):
        await asyncio.to_thread(items.postpone, cursor, pause=outcome)
        return False
    ended_at = timezone.now()
    result = items.ended(cursor, item=item, outcome=outcome, started_at=started_at, ended_at=ended_at)
    if await asyncio.to_thread(items.commit, cursor, results=[result]):
        return True
    await asyncio.to_thread(items.discard, cursor, results=[result])
    return False
