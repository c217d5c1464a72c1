"""Feeds orders to the engine, kills a worker on the way and waits for the end; it proves nothing itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from examples.orders.orders import Order
from examples.orders.trail import TrailEvent
from workflows.core.states import RunState

CHUNK = 100
WINDOW = 500
KILL_AT = 0.4
POLL_S = 0.5
STALL_LIMIT_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How far the engine is: runs by state, and steps that have ended."""

    runs: Mapping[str, int]
    steps: int

    @property
    def ended(self) -> int:
        """This will count the runs that have ended, in whichever way."""
        return sum(number for state, number in self.runs.items() if RunState(state).is_ended)


class Runs(Protocol):
    """What feeding and waiting need of the engine."""

    def start(self, orders: Sequence[Order]) -> None:
        """This will start one run for each order, at most once however often it is called."""
        ...

    def counts(self) -> Counts:
        """This will say how far the runs of this campaign are."""
        ...


class Engine(Runs, Protocol):
    """What the whole demo needs of the engine."""

    def trail(self) -> Iterator[TrailEvent]:
        """This will read the audit events of this campaign, in the order in which they were recorded."""
        ...

    def close(self) -> None:
        """This will let go of the database."""
        ...


class Stalled(Exception):
    """No run has ended for too long."""

    def __init__(self, *, ended: int, total: int, limit_s: float) -> None:
        super().__init__(
            f"{ended:,} of {total:,} runs have ended, and none in the latest {limit_s:.0f} s; "
            "the log files in var/ say what the workers do"
        )
        self.ended = ended
        self.total = total


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How the campaign went: how far it got, how long it took, and whether a worker was killed in it."""

    counts: Counts
    elapsed_s: float
    worker_killed_at: int | None

    @property
    def steps_per_s(self) -> float:
        """This will give the ended steps per second, from the first start to the last end."""
        return self.counts.steps / self.elapsed_s if self.elapsed_s else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the campaign acts on beside the engine: a clock in seconds, a pause, a worker, a screen.

    `show` gets the counts and the seconds since the start, several times a second.
    """

    clock: Callable[[], float]
    pause: Callable[[float], None]
    kill_worker: Callable[[], None]
    show: Callable[[Counts, float], None]


def carry_out(*, orders: Sequence[Order], engine: Runs, around: Surroundings) -> Result:
    """This will start a run for every order and return when all of them have ended.

    At most WINDOW runs go on at once, as in a shop, where orders come one after the other. A worker is killed
    once, when the share KILL_AT of all runs has ended. Raises Stalled.
    """
    started_at = progressed_at = around.clock()
    counts = Counts(runs={}, steps=0)
    started = 0
    killed_at: int | None = None
    while counts.ended < len(orders):
        chunk = orders[started : started + CHUNK]
        if chunk and started + len(chunk) - counts.ended <= WINDOW:
            engine.start(chunk)
            started += len(chunk)
        else:
            around.pause(POLL_S)
        earlier, counts, now = counts, engine.counts(), around.clock()
        around.show(counts, now - started_at)
        if counts.ended > earlier.ended:
            progressed_at = now
        elif now - progressed_at > STALL_LIMIT_S:
            raise Stalled(ended=counts.ended, total=len(orders), limit_s=STALL_LIMIT_S)
        if killed_at is None and KILL_AT * len(orders) <= counts.ended < len(orders):
            killed_at = counts.ended
            around.kill_worker()
    return Result(counts=counts, elapsed_s=around.clock() - started_at, worker_killed_at=killed_at)
