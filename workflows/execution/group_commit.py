"""Brings results from an event loop to the one committer: what ends while a commit is under way shares the next one.

So a result alone is committed at once, and under load one statement commits many. It decides nothing about results.
"""

from collections.abc import Sequence

from integrations.batches import Batches
from workflows.execution import settlement
from workflows.execution.cursor import Cursor
from workflows.execution.settlement import Ended


class GroupCommit:
    """At most `lanes` commits at a time, each of at most `size` results; used from one event loop only."""

    def __init__(self, *, lanes: int, size: int) -> None:
        self._batches: Batches[Ended, Sequence[Cursor]] = Batches(_commit, lanes=lanes, size=size)

    async def settle(self, result: Ended) -> Sequence[Cursor]:
        """This will commit a result and give the cursors that go on behind it. Raises what the database raises."""
        return await self._batches.add(result)


def _commit(results: Sequence[Ended]) -> Sequence[Sequence[Cursor]]:
    return shared_out(results, going=settlement.settle(results))


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
