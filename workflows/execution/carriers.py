"""Carries activations on an event loop: each is a coroutine that performs its steps and waits for their commits.

All of it happens in the loop's thread; what speaks with the database does so in the loop's default executor.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from django.conf import settings
from django.utils import timezone

from workflows import store
from workflows.core.outcome import Failed, Outcome
from workflows.core.states import FailureKind, StepState
from workflows.execution import attempts, frontier, leases, line, pausing, pulling
from workflows.execution.cursor import Cursor
from workflows.execution.function_threads import FunctionThreads
from workflows.execution.group_commit import GroupCommit
from workflows.execution.leases import LeaseKeeper
from workflows.execution.places import Places
from workflows.execution.settlement import Ended
from workflows.store import HeldItem, HoldRow

log = structlog.get_logger(__name__)
_COMMIT_MAX = 64
_CANCEL_S = 5.0
_TOLD = Failed(kind=FailureKind.ERROR, message="it was told to stop: its run is being cancelled")


@dataclass(slots=True, eq=False)
class _Carried:
    """An activation under way. Only while it is attempting may it be cancelled: a commit is never cut off."""

    cursor: Cursor
    since: float
    is_attempting: bool = False
    is_lost: bool = False
    is_told: bool = False
    task: "asyncio.Task[None] | None" = field(default=None)

    @contextmanager
    def attempting(self) -> Iterator[None]:
        self.is_attempting = True
        try:
            yield
        finally:
            self.is_attempting = False


class Carriers:
    """The activations that a loop carries, each on a place of its own."""

    def __init__(self, *, places: Places, keeper: LeaseKeeper, threads: FunctionThreads, commits: int) -> None:
        self._places = places
        self._keeper = keeper
        self._threads = threads
        self._commits = GroupCommit(lanes=commits, size=_COMMIT_MAX)
        self._carried: set[_Carried] = set()
        self._is_ending = False

    def begin(self, cursors: Sequence[Cursor]) -> None:
        """This will carry cursors whose places are taken and whose leases are kept."""
        for cursor in cursors:
            carried = _Carried(cursor, since=time.monotonic())
            self._carried.add(carried)
            carried.task = asyncio.create_task(self._carry(carried))

    def lose(self, holds: Sequence[HoldRow]) -> None:
        """This will end attempts whose leases are lost: whatever they come to would be discarded."""
        lost = {(hold["id"], hold["epoch"]) for hold in holds}
        for carried in self._carried:
            claim = carried.cursor.claim
            if carried.is_attempting and (claim.id, claim.epoch) in lost:
                carried.is_lost = True
                _cancel(carried)

    def cancel(self, holds: Sequence[HoldRow]) -> None:
        """This will cancel attempts whose run is being cancelled, while there is a grace to end them in.

        An item of a `for_each` is not cut off: it may ask, and ends its step when it is done.
        """
        told = {(hold["id"], hold["epoch"]) for hold in holds}
        for carried in self._carried:
            claim = carried.cursor.claim
            if carried.is_attempting and (claim.id, claim.epoch) in told and not carried.cursor.segment.is_map:
                carried.is_told = True
                _cancel(carried)

    def end(self) -> None:
        """This will begin no other step: what is under way ends, the rest is given back."""
        self._is_ending = True

    async def give_back(self) -> None:
        """This will cut attempts off; they count as lost, and are due at once."""
        self._is_ending = True
        cut_off = [carried for carried in self._carried if carried.is_attempting]
        for carried in cut_off:
            _cancel(carried)
        tasks = [carried.task for carried in self._carried if carried.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_S)
        if cut_off:
            log.warning("attempts_cut_off", count=len(cut_off))
            await asyncio.to_thread(leases.expire, [carried.cursor.hold for carried in cut_off])

    async def _carry(self, carried: _Carried) -> None:
        try:
            while await self._step(carried):
                pass
        except asyncio.CancelledError:
            if carried.is_lost:
                await self._note_cut_off(carried)
            elif carried.is_told:
                await self._go_on_told(carried)
        except Exception:  # the lease runs out, and whoever takes it next counts the attempt as lost
            log.exception("activation_dropped", run_id=str(carried.cursor.claim.run_id), step=carried.cursor.step.id)
        finally:
            self._keeper.drop([carried.cursor.hold])
            self._carried.discard(carried)
            self._places.free(1)

    async def _go_on_told(self, carried: _Carried) -> None:
        """The step has stopped as it was told; what its run still owes may be this worker's to do."""
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        carried.is_told = False
        since = time.monotonic()
        going = await self._commits.settle(Ended(carried.cursor, _TOLD, timezone.now()))
        if self._carry_on(carried, going=going, since=since):
            while await self._step(carried):
                pass

    async def _step(self, carried: _Carried) -> bool:
        """Go one step further; False when there is none, or others shall have the place."""
        cursor = carried.cursor
        if self._must_yield(carried):
            await asyncio.to_thread(store.release, holds=[cursor.hold])
            return False
        if pausing.may_be_paused(cursor) and await asyncio.to_thread(pausing.put_aside, cursor):
            return False
        if cursor.takes_limits:
            return await self._limited(carried)
        going, since = await self._go_on(carried)
        return self._carry_on(carried, going=going, since=since)

    async def _limited(self, carried: _Carried) -> bool:
        """Do what has limits between taking its slots and handing them on."""
        cursor = carried.cursor
        pause = await asyncio.to_thread(line.enter, cursor)
        if pause is None:
            going, since = await self._go_on(carried)
        else:
            going, since = await self._commits.settle(Ended(cursor, pause, timezone.now())), time.monotonic()
        asked = time.monotonic()
        may_take = not going and not self._must_yield(carried)
        taken = await asyncio.to_thread(line.hand_on, cursor, may_take=may_take)
        if taken:
            going, since = taken, asked
        return self._carry_on(carried, going=going, since=since)

    async def _go_on(self, carried: _Carried) -> tuple[Sequence[Cursor], float]:
        """Perform the step, or pull items; gives who goes on, and since when their leases are counted."""
        cursor, since = carried.cursor, time.monotonic()
        if cursor.segment.is_map:
            return await self._pull(carried), since
        if not await self._is_held(cursor):
            return (), since
        ended = await self._attempt(carried)
        since = time.monotonic()
        return await self._commits.settle(ended), since

    def _carry_on(self, carried: _Carried, *, going: Sequence[Cursor], since: float) -> bool:
        if not going:
            return False
        self._keeper.hold([next_one.claim for next_one in going], since=since)
        if going[0] is not carried.cursor:
            self._keeper.drop([carried.cursor.hold])
        carried.cursor = going[0]
        return True

    def _must_yield(self, carried: _Carried) -> bool:
        """Between two steps urgent work gets its turn, but only when somebody waits for a place."""
        is_long = time.monotonic() - carried.since > settings.SHIFT_S
        return self._is_ending or (is_long and self._places.are_wanted)

    async def _is_held(self, cursor: Cursor) -> bool:
        """The database is asked only where the lease may have run out, and never by the loop itself."""
        return self._keeper.is_surely_held(cursor.claim) or await asyncio.to_thread(self._keeper.is_held, cursor.claim)

    async def _attempt(self, carried: _Carried) -> Ended:
        cursor = carried.cursor
        now = timezone.now()
        cursor.step_started_at = now
        with carried.attempting():
            outcome = await attempts.await_step(cursor, now=now, threads=self._threads)
        return Ended(cursor, outcome, timezone.now())

    async def _pull(self, carried: _Carried) -> Sequence[Cursor]:
        return await pulling.pull(
            carried.cursor, attempt=self._item_attempt(carried), must_yield=lambda: self._must_yield(carried)
        )

    def _item_attempt(self, carried: _Carried) -> Callable[[HeldItem], Awaitable[Outcome | None]]:
        async def attempt(item: HeldItem) -> Outcome | None:
            if not await self._is_held(carried.cursor):
                return None
            with carried.attempting():
                return await attempts.await_item(carried.cursor, item=item, now=timezone.now(), threads=self._threads)

        return attempt

    async def _note_cut_off(self, carried: _Carried) -> None:
        try:
            await asyncio.to_thread(
                frontier.note_discarded, carried.cursor, state=StepState.CANCELLED, at=timezone.now()
            )
        except Exception:  # nothing else depends on it
            log.exception("cut_off_not_recorded", run_id=str(carried.cursor.claim.run_id))


def _cancel(carried: _Carried) -> None:
    if carried.task is not None:
        carried.task.cancel()
