"""Makes calls along their course in the ledger: one after the other where a worker waits, many at once on a loop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, cast
from uuid import UUID
from weakref import WeakKeyDictionary

from integrations import masking
from integrations.batches import Batches
from integrations.call_models import Call
from integrations.calls import settling, store
from integrations.calls.course import Attempt, course, not_sent
from integrations.calls.rules import Ability, Verdict
from integrations.calls.store import Ask, Done
from integrations.contract import (
    Adapter,
    AsyncAdapter,
    AsyncLookingUp,
    CallContext,
    ConnectionSettings,
    DescribedCalls,
    Happened,
    LookingUp,
    LookUp,
    SafeCalls,
)

_LANES = 2
_SIZE = 64
Foreseen: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Turns what an adapter did not foresee into a failure that says so."""


def ability_of(
    adapter: Adapter, *, inputs: Mapping[str, object], connection: ConnectionSettings | None = None
) -> Ability:
    """This will say what protects a second attempt of a call. Inputs may hold templates not evaluated yet."""
    return Ability(
        is_safe=_is_safe(adapter, inputs=inputs, connection=connection),
        can_repeat=adapter.is_repeatable(inputs=inputs),
        can_look_up=isinstance(adapter, LookingUp) and adapter.can_look_up(inputs=inputs),
    )


def _is_safe(adapter: Adapter, *, inputs: Mapping[str, object], connection: ConnectionSettings | None) -> bool:
    if isinstance(adapter, SafeCalls):
        return adapter.is_safe(inputs=inputs)
    return isinstance(adapter, DescribedCalls) and adapter.is_known_safe(inputs=inputs, connection=connection)


def call(attempt: Attempt, *, adapter: Adapter, foreseen: Foreseen) -> object:
    """This will make the call of an attempt, written down before and after. Raises as `course` does."""
    hands = _Hands(adapter=adapter, attempt=attempt, foreseen=foreseen)
    going = course(attempt)
    try:
        action = next(going)
        while True:
            try:
                answer = action(hands)
            except BaseException as error:  # noqa: BLE001  the course decides what it means
                action = going.throw(error)
            else:
                action = going.send(answer)
    except StopIteration as end:
        return end.value


async def acall(attempt: Attempt, *, adapter: AsyncAdapter, foreseen: Foreseen) -> object:
    """This will do what `call` does on an event loop; what it writes shares statements with other calls."""
    hands = _AsyncHands(adapter=adapter, attempt=attempt, foreseen=foreseen, ledger=_ledger())
    going = course(attempt)
    try:
        action = next(going)
        while True:
            try:
                answer = await cast(Awaitable[object], action(hands))
            except BaseException as error:  # noqa: BLE001  as above
                action = going.throw(error)
            else:
                action = going.send(answer)
    except StopIteration as end:
        return end.value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hands:
    """Does what a course asks for, and waits for it."""

    adapter: Adapter
    attempt: Attempt
    foreseen: Foreseen

    def begin(self, ask: Ask) -> int | None:
        return store.begin([ask])[0]

    def find(self, run_id: UUID, key: UUID) -> Call | None:
        return store.find(run_id=run_id, key=key)

    def resume(self, call: Call, timeout_s: float) -> int | None:
        return store.resume(call, timeout_s=timeout_s)

    def send(self, context: CallContext) -> object:
        with self.foreseen():
            output = self.adapter.call(inputs=self.attempt.inputs, connection=self.attempt.connection, context=context)
            return masking.output(output, settings=self.attempt.connection)

    def look_up(self, context: CallContext) -> LookUp:
        adapter = cast(LookingUp, self.adapter)
        with self.foreseen():
            found = adapter.look_up(inputs=self.attempt.inputs, connection=self.attempt.connection, context=context)
            return _masked(found, attempt=self.attempt)

    def settle(self, call: Call, found: LookUp, verdict: Verdict) -> bool:
        return settling.settle_by_look_up(call, found=found, verdict=verdict, secrets=self.attempt.secrets)

    def end(self, done: Done) -> None:
        store.end([done])


def _masked(found: LookUp, *, attempt: Attempt) -> LookUp:
    return Happened(masking.output(found.output, settings=attempt.connection)) if isinstance(found, Happened) else found


@dataclass(frozen=True, slots=True)
class _Ledger:
    """The batches of one event loop."""

    begins: Batches[Ask, int | None]
    ends: Batches[Done, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _AsyncHands:
    """Does the same on an event loop; what speaks with the database does so in the loop's default executor."""

    adapter: AsyncAdapter
    attempt: Attempt
    foreseen: Foreseen
    ledger: _Ledger

    async def begin(self, ask: Ask) -> int | None:
        adding = asyncio.ensure_future(self.ledger.begins.add(ask))
        try:
            return await asyncio.shield(adding)
        except asyncio.CancelledError:
            adding.add_done_callback(partial(_take_back, ask=ask, ledger=self.ledger))
            raise

    async def find(self, run_id: UUID, key: UUID) -> Call | None:
        return await asyncio.to_thread(store.find, run_id=run_id, key=key)

    async def resume(self, call: Call, timeout_s: float) -> int | None:
        return await asyncio.to_thread(store.resume, call, timeout_s=timeout_s)

    async def send(self, context: CallContext) -> object:
        with self.foreseen():
            output = await self.adapter.acall(
                inputs=self.attempt.inputs, connection=self.attempt.connection, context=context
            )
            return masking.output(output, settings=self.attempt.connection)

    async def look_up(self, context: CallContext) -> LookUp:
        arguments = {"inputs": self.attempt.inputs, "connection": self.attempt.connection, "context": context}
        with self.foreseen():
            if isinstance(self.adapter, AsyncLookingUp):
                found = await self.adapter.alook_up(**arguments)  # type: ignore[arg-type]  # by name
            else:
                found = await asyncio.to_thread(cast(LookingUp, self.adapter).look_up, **arguments)  # type: ignore[arg-type]
            return _masked(found, attempt=self.attempt)

    async def settle(self, call: Call, found: LookUp, verdict: Verdict) -> bool:
        return await asyncio.to_thread(
            settling.settle_by_look_up, call, found=found, verdict=verdict, secrets=self.attempt.secrets
        )

    async def end(self, done: Done) -> None:
        await self.ledger.ends.add(done)


def _take_back(adding: "asyncio.Future[int | None]", *, ask: Ask, ledger: _Ledger) -> None:
    """Whoever wanted to send has been told to stop before: what is written down by now was never sent."""
    if adding.cancelled() or adding.exception() is not None:
        return
    number = adding.result()
    if number is not None:
        task = asyncio.ensure_future(ledger.ends.add(not_sent(ask, number=number)))
        _taking_back.add(task)
        task.add_done_callback(_taking_back.discard)


_taking_back: set["asyncio.Future[None]"] = set()
_ledgers: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Ledger]" = WeakKeyDictionary()


def _ledger() -> _Ledger:
    loop = asyncio.get_running_loop()
    found = _ledgers.get(loop)
    if found is None:
        found = _ledgers[loop] = _Ledger(
            begins=Batches(store.begin, lanes=_LANES, size=_SIZE), ends=Batches(store.end, lanes=_LANES, size=_SIZE)
        )
    return found
