"""The functions that tests let workflows call: quick and slow ones, failing ones, ones with an effect outside."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from pathlib import Path

import structlog

from integrations.errors import Refused, Throttled, Unavailable
from tests.flows import growing as growing
from tests.flows import ledger as outside
from workflows.core.context import StepContext
from workflows.core.definition import JsonValue
from workflows.registry import function

_POLL_S = 0.01
_LONGEST_S = 300.0


class Malformed(Exception):
    """An error whose text neither JSON nor PostgreSQL can keep as it is."""


@function
def noop() -> None:
    """This will do nothing."""


@function
def echo(value: JsonValue = None) -> JsonValue:
    """This will give back what it was given."""
    return value


@function
def told(context: StepContext) -> dict[str, JsonValue]:
    """This will give what the engine tells a step."""
    return {
        "key": context.idempotency_key,
        "attempt": context.attempt,
        "step": context.step,
        "run_id": context.run_id,
        "correlation_id": context.correlation_id,
        "timeout_s": context.timeout_s,
    }


@function
def sleep(seconds: float) -> float:
    """This will take its time."""
    time.sleep(seconds)
    return seconds


@function
def occupy(port: int, seconds: float, gate: str | None = None) -> None:
    """This will hold a connection to a peer for a time, and end it so that the peer has seen its end.

    The time begins once the file `gate` exists.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=_LONGEST_S) as peer:
        _wait_for(gate)
        time.sleep(seconds)
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)


@function
def effect(
    ledger: str, context: StepContext, seconds: float = 0.0, gate: str | None = None, fails_late: bool = False
) -> str:
    """This will have one effect outside, after `seconds`, and once the file `gate` exists.

    `{attempt}` in `gate` stands for the number of the attempt.
    With `fails_late` the first attempt fails after its effect.
    """
    outside.write(ledger, event="begin", context=context)
    _wait_for(None if gate is None else gate.format(attempt=context.attempt))
    time.sleep(seconds)
    outside.write(ledger, event="effect", context=context)
    if fails_late and context.attempt == 1:
        raise Unavailable("the effect took place, the answer was lost")
    return context.idempotency_key


@function
def mark(value: JsonValue, ledger: str, context: StepContext, seconds: float = 0.0) -> JsonValue:
    """This will have one effect outside, after `seconds`, and give back what it was given."""
    outside.write(ledger, event="begin", context=context)
    time.sleep(seconds)
    outside.write(ledger, event="effect", context=context)
    return value


@function
async def mark_async(value: JsonValue, ledger: str, context: StepContext, seconds: float = 0.0) -> JsonValue:
    """This will have one effect outside, after `seconds` on an event loop, and give back what it was given."""
    outside.write(ledger, event="begin", context=context)
    await asyncio.sleep(seconds)
    outside.write(ledger, event="effect", context=context)
    return value


@function
async def effect_async(ledger: str, context: StepContext, seconds: float = 0.0) -> str:
    """This will have one effect outside, after `seconds` on an event loop."""
    outside.write(ledger, event="begin", context=context)
    await asyncio.sleep(seconds)
    outside.write(ledger, event="effect", context=context)
    return context.idempotency_key


@function
def fail_until(attempt: int, context: StepContext, ledger: str | None = None, seconds: float = 0.0) -> int:
    """This will fail until the attempt of that number, each time after `seconds`."""
    time.sleep(seconds)
    if ledger is not None:
        outside.write(ledger, event="begin", context=context)
    if context.attempt < attempt:
        raise Unavailable("not yet", evidence={"attempt": context.attempt})
    return context.attempt


@function
def fail_unless(path: str, ledger: str | None = None, *, context: StepContext) -> str:
    """This will fail as long as there is no such file."""
    if ledger is not None:
        outside.write(ledger, event="begin", context=context)
    if not Path(path).exists():
        raise Unavailable(f"{path} does not exist")
    return context.idempotency_key


@function
def poll(ledger: str, done_in: int, context: StepContext, gate: str | None = None) -> dict[str, JsonValue]:
    """This will look at something that is done in the round of that number; each round has an effect and its own key.

    `{round}` in `gate` stands for the number of the round.
    """
    before = outside.Ledger(Path(ledger)).entries("begin", run_id=context.run_id, step=context.step)
    number = len({entry.key for entry in before} | {context.idempotency_key})
    outside.write(ledger, event="begin", context=context, note=str(number))
    _wait_for(None if gate is None else gate.format(round=number))
    outside.write(ledger, event="effect", context=context, note=str(number))
    return {"status": "done" if number >= done_in else "busy", "round": number}


@function
def fail_on(value: JsonValue, bad: JsonValue) -> JsonValue:
    """This will be refused for one value, and give back any other."""
    if value == bad:
        raise Refused(f"{value!r} is not wanted", evidence={"value": value})
    return value


@function
def throttle(seconds: float, context: StepContext) -> int:
    """This will be throttled in its first attempt."""
    if context.attempt == 1:
        raise Throttled("slow down", retry_after_s=seconds)
    return context.attempt


@function
def give_bytes(size: int) -> str:
    """This will give a text of that size."""
    return "x" * size


@function
def give_object() -> object:
    """This will give what is not JSON."""
    return object()


@function
def give_nul() -> dict[str, str]:
    """This will give a text with a NUL character."""
    return {"text": "a\0b"}


@function
def raise_malformed(number: int = 0xD800) -> None:
    """This will raise an error whose text holds the character of that number."""
    raise Malformed(f"a{chr(number)}b")


@function
def refuse_malformed() -> None:
    """This will be refused with evidence that neither JSON nor PostgreSQL can keep as it is."""
    raise Refused("no\0", evidence={"text": "a\0b", "half": "\ud800", "object": object()})


@function
def die_on(value: JsonValue, deadly: JsonValue, ledger: str, context: StepContext) -> None:
    """This will kill its own process for one value, and have one effect outside for any other."""
    if value == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    outside.write(ledger, event="effect", context=context)


@function
def ignore_timeout(ledger: str, context: StepContext) -> None:
    """This will never end by itself, whatever is raised in it, except in its second attempt."""
    outside.write(ledger, event="begin", context=context)
    while context.attempt == 1:
        with contextlib.suppress(BaseException):
            while True:  # what is raised lands in here, and not between two rounds
                time.sleep(_POLL_S)


@function
def work_until_told(ledger: str, context: StepContext, heeds: bool = True) -> str:
    """This will work until it is told to stop; unless it heeds that, it goes on to its effect then."""
    outside.write(ledger, event="begin", context=context)
    deadline = time.monotonic() + _LONGEST_S
    while not context.is_cancelled() and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    outside.write(ledger, event="told", context=context)
    if heeds:
        context.raise_if_cancelled()
    outside.write(ledger, event="effect", context=context)
    return "done in the grace"


@function
async def wait_until_told(ledger: str, context: StepContext) -> None:
    """This will wait for very long, and tell when it was cancelled."""
    outside.write(ledger, event="begin", context=context)
    try:
        await asyncio.sleep(_LONGEST_S)
    except asyncio.CancelledError:
        outside.write(ledger, event="told", context=context)
        raise


@function
async def echo_async(value: JsonValue = None) -> JsonValue:
    """This will give back what it was given, after a turn of the event loop."""
    await asyncio.sleep(0)
    return value


@function
async def bound_run_id() -> JsonValue:
    """This will give the run that log lines of this moment name, after others have had their turn."""
    await asyncio.sleep(0.05)
    named: JsonValue = structlog.contextvars.get_contextvars()["run_id"]
    return named


@function
async def wait_first(context: StepContext) -> int:
    """This will wait for very long in its first attempt."""
    if context.attempt == 1:
        await asyncio.sleep(_LONGEST_S)
    return context.attempt


@function
async def block_loop(ledger: str, context: StepContext) -> None:
    """This will block the event loop it runs on, except in its second attempt."""
    outside.write(ledger, event="begin", context=context)
    while context.attempt == 1:
        time.sleep(_POLL_S)


def _wait_for(gate: str | None) -> None:
    deadline = time.monotonic() + _LONGEST_S
    while gate is not None and not Path(gate).exists():
        if time.monotonic() > deadline:
            raise Unavailable(f"{gate} did not open within {_LONGEST_S:g} s")
        time.sleep(_POLL_S)


@function
def beat(ledger: str, context: StepContext, gate: str | None = None, beats: int = 0) -> JsonValue:
    """This will say how often it was begun, beat for a while, and then hang silently until the file `gate` exists."""
    outside.write(ledger, event="begin", context=context)
    begun = int(str(context.last_progress or 0)) + 1
    context.heartbeat(begun)
    for _ in range(beats):
        time.sleep(0.1)
        context.heartbeat()
    _wait_for(gate if begun == 1 else None)
    outside.write(ledger, event="effect", context=context)
    return begun


@function
async def beat_async(context: StepContext, seconds: float = 0.0) -> JsonValue:
    """This will say how often it was begun, and then rest silently, the first time."""
    begun = int(str(context.last_progress or 0)) + 1
    context.heartbeat(begun)
    if begun == 1:
        await asyncio.sleep(seconds)
    return begun
