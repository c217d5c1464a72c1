"""Brings results from an event loop to the one committer: what ends while a commit is under way shares the next one.

So a result alone is committed at once, and under load one statement commits many. It decides nothing about results.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from workflows.execution import settlement
from workflows.execution.cursor import Cursor
from workflows.execution.settlement import Ended


class _Waiting(NamedTuple):
    result: Ended
    going: "asyncio.Future[Sequence[Cursor]]"


class GroupCommit:
    """At most `lanes` commits at a time, each of at most `size` results; used from one event loop only."""

    def __init__(self, *, lanes: int, size: int) -> None:
        self._lanes = lanes
        self._size = size
        self._waiting: deque[_Waiting] = deque()
        self._under_way: set[asyncio.Task[None]] = set()

    async def settle(self, result: Ended) -> Sequence[Cursor]:
        """This will commit a result and give the cursors that go on behind it. Raises what the database raises."""
        going: asyncio.Future[Sequence[Cursor]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(result, going))
        self._fill()
        return await going

    def _fill(self) -> None:
        while self._waiting and len(self._under_way) < self._lanes:
            group = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
            task = asyncio.create_task(_commit(group))
            self._under_way.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._fill()


async def _commit(group: Sequence[_Waiting]) -> None:
    try:
        going = await asyncio.to_thread(settlement.settle, [one.result for one in group])
    except Exception as error:  # noqa: BLE001  each of those who wait hears of it, and says so
        for one in group:
            if not one.going.done():
                one.going.set_exception(error)
        return
    for one, cursors in zip(group, shared_out([one.result for one in group], going=going), strict=True):
        if not one.going.done():
            one.going.set_result(cursors)


def shared_out(results: Sequence[Ended], *, going: Sequence[Cursor]) -> Sequence[Sequence[Cursor]]:
    """This will give behind each result the cursor that goes on for it, if there is one.

    That is the same cursor a step further, or one that begins the next segment of its run.
    """
    own = {id(result.cursor) for result in results}
    fresh = [cursor for cursor in going if id(cursor) not in own]
    kept = {id(cursor) for cursor in going}
    shares: list[Sequence[Cursor]] = []
    for result in results:
        if id(result.cursor) in kept:
            shares.append((result.cursor,))
            continue
        mine = next((cursor for cursor in fresh if cursor.claim.run_id == result.cursor.claim.run_id), None)
        fresh = [cursor for cursor in fresh if cursor is not mine]
        shares.append(() if mine is None else (mine,))
    return shares
