"""The event loop of an I/O worker: one process that carries a thousand waiting steps; it decides nothing about them.

A wake-up claims what it names, hands it over and is done: the lease in PostgreSQL is the truth, not the message.
No more is claimed than has a place. See docs/adr/0010-io-workers.md.
"""

import asyncio
import threading
import time
from collections.abc import Sequence, Set

import structlog
from django.conf import settings
from django.utils import timezone

from integrations import operations as integrations
from workflows import store
from workflows.execution import admitting
from workflows.execution.carriers import Carriers
from workflows.execution.cursor import Cursor
from workflows.execution.database_threads import DatabaseThreads
from workflows.execution.function_threads import FunctionThreads
from workflows.execution.leases import LeaseKeeper, keeper, owner_name
from workflows.execution.places import Places
from workflows.store import ActivationRef, Claim, HoldRow

log = structlog.get_logger(__name__)
_DATABASE_THREADS = 4
_FULL_S = 600.0  # well below the half hour after which RabbitMQ takes an unconfirmed message back
_BEAT_S = 1.0
_POLL_S = 0.02
_GIVE_BACK_S = 15.0


class Reactor:
    """An event loop in a thread of its own. `execute` may be called from any thread."""

    def __init__(self, *, limit: int, function_threads: int, keeper: LeaseKeeper = keeper) -> None:
        self._places = Places(limit=limit)
        self._function_threads = function_threads
        self._keeper = keeper
        self._is_hurried = False
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="reactor", daemon=True)

    def start(self) -> None:
        """This will return when the loop runs."""
        self._thread.start()
        self._is_ready.wait()
        self._keeper.tell_losses(self._lose)
        self._keeper.tell_stops(self._cancel)
        log.info("reactor_started", places=self._places.limit)

    def execute(self, refs: Sequence[ActivationRef], *, carries: Set[int] = frozenset()) -> int:
        """This will claim the named activations and have the loop carry them; gives how many were claimed.

        It returns when they are claimed, not when they are done; while the process is full, it waits before it
        claims. Raises PlacesClosed.
        """
        claimed = 0
        for start in range(0, len(refs), self._places.limit):
            claimed += self._claim(refs[start : start + self._places.limit], carries=carries)
        return claimed

    def hurry(self) -> None:
        """This will have `stop` cut off what is under way. It only sets a flag: safe in a signal handler."""
        self._is_hurried = True

    def stop(self, *, grace_s: float) -> None:
        """This will claim no more, let the steps under way end within the grace, and give back what remains."""
        self._places.close()
        self._loop.call_soon_threadsafe(self._carriers.end)
        log.info("reactor_stopping", grace_s=grace_s)
        until = time.monotonic() + grace_s
        while not (self._places.is_idle or self._is_hurried or time.monotonic() > until):
            time.sleep(_POLL_S)
        giving_back = asyncio.run_coroutine_threadsafe(self._carriers.give_back(), self._loop)
        try:
            giving_back.result(timeout=_GIVE_BACK_S)
        except TimeoutError:  # a step blocks the loop, or the database is away: the leases run out
            log.exception("nothing_given_back")
        self._keeper.tell_losses(None)
        self._keeper.tell_stops(None)
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout=_GIVE_BACK_S)
        log.info("reactor_stopped")

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        database = DatabaseThreads(size=_DATABASE_THREADS)
        self._loop.set_default_executor(database)
        threads = FunctionThreads(limit=self._function_threads)
        self._carriers = Carriers(places=self._places, keeper=self._keeper, threads=threads, commits=_DATABASE_THREADS)
        self._is_ready.set()
        try:
            while True:
                if not threads.are_stuck:
                    # A step that blocks the loop, or functions that hold all threads, end the process like a step
                    # that ignores its timeout: its leases run out, and its work counts as lost.
                    self._keeper.expect_end_within(settings.IO_STALL_S)
                if await self._is_stopping():
                    return
        finally:
            self._keeper.expect_end_within(None)
            await integrations.hang_up()
            database.close()

    async def _is_stopping(self) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), _BEAT_S)
        except TimeoutError:
            return False
        return True

    def _claim(self, refs: Sequence[ActivationRef], *, carries: Set[int]) -> int:
        self._places.take(len(refs), limit_s=_FULL_S)
        cursors: Sequence[Cursor] = ()
        try:
            began = time.monotonic()
            claims = store.claim(refs=refs, owner=owner_name(), lease_s=settings.LEASE_S)
            cursors = self._admitted(claims, carries=carries, since=began)
        finally:
            self._places.free(len(refs) - len(cursors))
        self._loop.call_soon_threadsafe(self._carriers.begin, cursors)
        return len(claims)

    def _admitted(self, claims: Sequence[Claim], *, carries: Set[int], since: float) -> Sequence[Cursor]:
        owner, now = owner_name(), timezone.now()
        holds: list[HoldRow] = [{"id": claim.id, "epoch": claim.epoch} for claim in claims]
        self._keeper.hold(claims, since=since)
        try:
            cursors = [
                cursor for claim in claims for cursor in admitting.admit(claim, owner=owner, carries=carries, now=now)
            ]
        except BaseException:
            self._keeper.drop(holds)
            raise
        self._keeper.hold([cursor.claim for cursor in cursors], since=since)
        kept = {cursor.claim.id for cursor in cursors}
        self._keeper.drop([hold for hold in holds if hold["id"] not in kept])
        return cursors

    def _lose(self, holds: Sequence[HoldRow]) -> None:
        self._loop.call_soon_threadsafe(self._carriers.lose, holds)

    def _cancel(self, holds: Sequence[HoldRow]) -> None:
        self._loop.call_soon_threadsafe(self._carriers.cancel, holds)


_running: list[Reactor] = []
"""The reactor of this process, if it is an I/O worker."""


def begin() -> Reactor:
    """This will make this process an I/O worker: its wake-ups are carried by an event loop from now on."""
    reactor = Reactor(limit=settings.IO_CONCURRENCY, function_threads=settings.IO_THREADS)
    reactor.start()
    _running[:] = [reactor]
    return reactor


def find_running() -> Reactor | None:
    """This will give the reactor of this process; None where steps are performed one after the other."""
    return _running[0] if _running else None
