"""Blocking functions beside an event loop: bounded, timed, and never fatal to the loop."""

import asyncio
import threading
import time
from contextvars import ContextVar

import pytest

from workflows.execution.function_threads import FunctionThreads
from workflows.execution.timeouts import StepTimeout

_SAID: ContextVar[str] = ContextVar("said", default="nothing")


def test_no_more_functions_run_at_once_than_there_are_threads() -> None:
    running: list[int] = []
    peaks: list[int] = []

    def work() -> None:
        running.append(1)
        peaks.append(len(running))
        time.sleep(0.02)
        running.pop()

    async def run_all() -> None:
        threads = FunctionThreads(limit=3)
        await asyncio.gather(*(threads.run(work, timeout_s=10) for _ in range(12)))

    asyncio.run(run_all())

    assert len(peaks) == 12
    assert max(peaks) <= 3


def test_late_function_keeps_its_thread_until_it_returns() -> None:
    gate = threading.Event()

    async def run_late() -> list[bool]:
        threads = FunctionThreads(limit=1)
        with pytest.raises(StepTimeout):
            await threads.run(lambda: gate.wait(timeout=120), timeout_s=0.05)
        seen = [threads.are_stuck]
        gate.set()
        assert await threads.run(lambda: 7, timeout_s=10) == 7
        return [*seen, threads.are_stuck]

    assert asyncio.run(run_late()) == [True, False]


def test_function_sees_the_context_of_its_caller() -> None:
    async def run_inside() -> object:
        _SAID.set("hello")
        return await FunctionThreads(limit=1).run(_SAID.get, timeout_s=10)

    assert asyncio.run(run_inside()) == "hello"


def test_function_that_ends_its_program_ends_only_its_attempt() -> None:
    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        asyncio.run(FunctionThreads(limit=1).run(leave, timeout_s=10))
