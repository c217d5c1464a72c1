"""Performs one attempt of one step on an event loop and says what it came to; `actions` judges it the same way."""

import asyncio
import inspect
from collections.abc import Coroutine

import structlog

from integrations import operations as integrations
from integrations.errors import Unknown
from workflows import registry
from workflows.core.outcome import Outcome
from workflows.execution import actions, waiting_steps
from workflows.execution.actions import Call
from workflows.execution.function_threads import FunctionThreads
from workflows.execution.timeouts import StepTimeout

log = structlog.get_logger(__name__)
_GRACE_S = 10.0


async def perform(call: Call, *, threads: FunctionThreads) -> Outcome:
    """This will perform one attempt; whatever happens becomes an outcome, except the caller's cancellation.

    What can wait does so on the loop; what blocks, a plain function or an adapter without `acall`, does so in one
    of `threads`.
    """
    try:
        output = await _dispatch(call, threads=threads)
    except (StepTimeout, Exception) as error:  # noqa: BLE001  the border to other people's code
        return actions.ended(call, error=error)
    return actions.judged(output, payload=call.inputs)


async def _dispatch(call: Call, *, threads: FunctionThreads) -> object:
    if call.uses in actions.COMPUTED:
        return actions.COMPUTED[call.uses](call.inputs)
    if call.uses == "python":
        return await _call_function(call, threads=threads)
    if call.stay is not None:
        return await asyncio.to_thread(waiting_steps.look, call.uses, stay=call.stay)
    return await _call_adapter(call, threads=threads)


async def _call_function(call: Call, *, threads: FunctionThreads) -> object:
    function = registry.find(str(call.inputs["call"]))
    timeout_s = call.context.timeout_s
    if inspect.iscoroutinefunction(function.implementation):
        result = function.invoke(call.arguments, context=call.context)
    else:
        result = await threads.run(lambda: function.invoke(call.arguments, context=call.context), timeout_s=timeout_s)
    return await _within(timeout_s, result) if inspect.iscoroutine(result) else result


async def _call_adapter(call: Call, *, threads: FunctionThreads) -> object:
    """An adapter keeps its time itself; one that does not is taken for a call without a verdict."""
    arguments = {
        "uses": call.uses,
        "inputs": call.inputs,
        "connection": call.connection,
        "context": call.outside_context,
    }
    limit_s = call.context.timeout_s + _GRACE_S
    try:
        if integrations.can_wait(call.uses):
            return await _within(limit_s, integrations.acall(**arguments))  # type: ignore[arg-type]  # by name
        return await threads.run(lambda: integrations.call(**arguments), timeout_s=limit_s)  # type: ignore[arg-type]
    except StepTimeout as error:
        raise Unknown(
            f"the adapter {call.uses} did not end within {limit_s:g} s",
            repeatable=integrations.is_repeatable(uses=call.uses, inputs=call.inputs),
        ) from error


async def _within(seconds: float, work: Coroutine[object, object, object]) -> object:
    """Raises StepTimeout after `seconds`; a coroutine that ignores its cancellation is left behind."""
    task = asyncio.create_task(_contained(work))
    task.add_done_callback(_forget)
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_GRACE_S)
        if not task.done():
            log.error("coroutine_ignored_its_timeout", coroutine=repr(work))
        raise StepTimeout
    if task.cancelled():
        raise RuntimeError("it cancelled itself")
    return task.result()


async def _contained(work: Coroutine[object, object, object]) -> object:
    """What would end the loop ends the attempt."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"it raised {type(error).__name__}: {error}") from error


def _forget(task: "asyncio.Task[object]") -> None:
    """What nobody waits for any more must not be reported as an error nobody has seen."""
    if not task.cancelled():
        task.exception()
