"""Brings what an event loop has to write into few statements: what comes while one is under way shares the next."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

_Row = TypeVar("_Row")
_Answer = TypeVar("_Answer")


class _Waiting(NamedTuple, Generic[_Row, _Answer]):
    row: _Row
    answer: "asyncio.Future[_Answer]"


class Batches(Generic[_Row, _Answer]):
    """At most `lanes` calls of `write` at a time in the loop's default executor, each with at most `size` rows.

    `write` gives an answer for each row, in their order. Used from one event loop only.
    """

    def __init__(self, write: Callable[[Sequence[_Row]], Sequence[_Answer]], *, lanes: int, size: int) -> None:
        self._write = write
        self._lanes = lanes
        self._size = size
        self._waiting: deque[_Waiting[_Row, _Answer]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()

    async def add(self, row: _Row) -> _Answer:
        """This will write a row and give the answer to it. Raises what `write` raises."""
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(row, answer))
        self._fill()
        return await asyncio.shield(answer)

    def _fill(self) -> None:
        while self._waiting and len(self._under_way) < self._lanes:
            group = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
            task = asyncio.create_task(self._written(group))
            self._under_way.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._fill()

    async def _written(self, group: Sequence[_Waiting[_Row, _Answer]]) -> None:
        try:
            answers = await asyncio.to_thread(self._write, [one.row for one in group])
        except Exception as error:  # noqa: BLE001  each of those who wait hears of it
            for one in group:
                if not one.answer.done():
                    one.answer.set_exception(error)
                    one.answer.exception()  # whoever has gone meanwhile needs not to hear of it
            return
        for one, answer in zip(group, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)
