"""Celery's prefork pool, but what a worker has reserved starts in the order of the lanes' turns, not of its arrival.

With quorum queues a worker reserves `worker_prefetch_multiplier` messages per child and queue, so a worker of four
lanes holds messages of all of them. The main process hands them to free children by `workflows.core.turns`, and shows
busy children when work of a more urgent lane waits for them (ADR 9).
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from celery.concurrency import asynpool, prefork

from config import env, lanes
from workflows.core.turns import Turns
from workflows.execution import heartbeat, urgency


class TurnBuffer:
    """What the pool keeps its waiting jobs in: a `deque` to Celery, a queue per lane inside.

    `lane_of` gives the lane of a job; jobs of no known lane (Celery's own) go first.
    """

    def __init__(self, weights: Mapping[str, int], *, lane_of: Callable[[Any], str]) -> None:  # Any: billiard's job
        self._ranks = {lane: rank for rank, lane in enumerate(weights)}
        self._turns = Turns([*weights.values()])
        self._lane_of = lane_of
        self._first: deque[Any] = deque()
        self._queues: dict[int, deque[Any]] = {rank: deque() for rank in self._ranks.values()}

    def __len__(self) -> int:
        return len(self._first) + sum(map(len, self._queues.values()))

    def __contains__(self, job: object) -> bool:
        return job in self._first or any(job in queue for queue in self._queues.values())

    def append(self, job: Any) -> None:
        """This will let a job wait behind those of its lane."""
        self._queue_of(job).append(job)

    def appendleft(self, job: Any) -> None:
        """This will let a job that could not be handed over wait before those of its lane."""
        self._queue_of(job).appendleft(job)

    def popleft(self) -> Any:
        """This will take the job whose turn it is. Raises IndexError when none waits, as a deque does."""
        if self._first:
            return self._first.popleft()
        rank = self.next_rank()
        if rank == urgency.NOTHING:
            raise IndexError("no job waits")
        self._turns.note(rank)
        return self._queues[rank].popleft()

    def next_rank(self) -> int:
        """This will give the rank of the lane whose turn is next, or `urgency.NOTHING`."""
        waiting = [rank for rank, queue in self._queues.items() if queue]
        return self._turns.next_of(waiting) if waiting else urgency.NOTHING

    def waiting_of(self, rank: int) -> int:
        """This will give how many jobs of a lane wait."""
        return len(self._queues.get(rank, ()))

    def clear(self) -> None:
        """This will forget all jobs."""
        self._first.clear()
        for queue in self._queues.values():
            queue.clear()

    def _queue_of(self, job: Any) -> deque[Any]:
        rank = self._ranks.get(self._lane_of(job))
        return self._first if rank is None else self._queues[rank]


_AsynPool: Any = asynpool.AsynPool  # Any: Celery's pool has no types for what is overridden here


class LaneAsynPool(_AsynPool):
    """The pool of children."""

    outbound_buffer: TurnBuffer
    on_poll_start: Callable[[], None]  # both are made anew for each connection, by _create_write_handlers
    _quick_put: Callable[[Any], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._shown: Mapping[int, int] = {}
        super().__init__(*args, **kwargs)
        weights = lanes.parse(env.read().lanes)
        self._ranks = {lane: rank for rank, lane in enumerate(weights)}
        self.outbound_buffer = TurnBuffer(weights, lane_of=lambda job: getattr(job, "lane", ""))

    def _create_write_handlers(self, hub: Any, *args: Any, **kwargs: Any) -> None:
        super()._create_write_handlers(hub, *args, **kwargs)
        put, look = self._quick_put, self.on_poll_start

        def put_with_lane(message: Any) -> None:
            kind_and_job = message[1]
            self._cache[kind_and_job[0]].lane = _lane_of(kind_and_job[3])
            put(message)

        def look_and_show() -> None:
            look()
            self._show()

        self._quick_put, self.on_poll_start = put_with_lane, look_and_show

    def _show(self) -> None:
        """Let those children know that have to make way; with a free child nobody has to."""
        urgency.show_line(is_empty=not self.outbound_buffer)
        has_free = len(self._busy_workers) < len(self._all_inqueues)
        wanted = {} if has_free or not self.outbound_buffer else self._who_makes_way()
        if wanted != self._shown:
            urgency.show(urgency.NOTHING, children=self._shown.keys() - wanted.keys())
            for child, rank in wanted.items():
                urgency.show(rank, children=[child])
            self._shown = wanted

    def silent(self) -> Mapping[int, float]:
        """This will give the ids of children that have work, and since when nothing was heard of them.

        A child that keeps leases beats; one that never kept any, such as at a task of somebody else, only has to take
        what it was given.
        """
        now, found = time.monotonic(), {}
        for job in [*self._cache.values()]:
            child = job._write_to
            if child is None or job.ready():
                continue
            if not job._accepted:
                job.given_at = getattr(job, "given_at", now)
                found[child.pid] = job.given_at
            elif (beat_at := heartbeat.latest(child.index)) is not None:
                found[child.pid] = max(beat_at, job._time_accepted or 0.0)
        return found

    def _who_makes_way(self) -> Mapping[int, int]:
        rank = self.outbound_buffer.next_rank()
        busy = {
            job._write_to.index: self._ranks.get(getattr(job, "lane", ""), 0)
            for job in self._cache.values()
            if job._write_to is not None and not job.ready()
        }
        children = who_makes_way(busy, rank=rank, number=self.outbound_buffer.waiting_of(rank))
        return dict.fromkeys(children, rank)


class LanePool(prefork.TaskPool):
    """`worker_pool`: prefork with turns of lanes."""

    Pool = LaneAsynPool


def who_makes_way(busy: Mapping[int, int], *, rank: int, number: int) -> Sequence[int]:
    """This will choose as many children as jobs of a lane wait, of those at less urgent work; the least urgent first.

    `busy` has the rank of what each child is at.

    >>> who_makes_way({0: 2, 1: 3, 2: 0, 3: 2}, rank=0, number=2)
    [1, 0]
    """
    return sorted((child for child in busy if busy[child] > rank), key=lambda child: (-busy[child], child))[:number]


def _lane_of(args: tuple[Any, ...]) -> str:
    """The routing key of a task's message; its request is the third argument (celery.worker.request)."""
    request = args[2] if len(args) > 2 else None
    info = request.get("delivery_info") if isinstance(request, Mapping) else None
    return str(info.get("routing_key", "")) if isinstance(info, Mapping) else ""
