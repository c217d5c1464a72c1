"""Performs one attempt of one step and says what it came to; it never touches the engine's tables."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import cast

import orjson
import structlog
from django.conf import settings

from integrations import operations as integrations
from integrations.contract import CallContext, CallOrigin
from integrations.errors import CallFailed, Refused
from integrations.errors import Postponed as CallPostponed
from workflows import cel_inputs, registry
from workflows.core import switching
from workflows.core.context import StepCancelled, StepContext
from workflows.core.definition import RETURN, JsonObject, JsonValue
from workflows.core.growth import Grow
from workflows.core.outcome import Failed, Outcome, Parked, Postponed, Succeeded
from workflows.core.states import FailureKind, WaitReason
from workflows.core.storable import holds_nul, readable
from workflows.core.waiting_kinds import Stay
from workflows.execution import waiting_steps
from workflows.execution.pulses import Pulse
from workflows.execution.timeouts import StepTimeout, time_limit

log = structlog.get_logger(__name__)
_loops = threading.local()
_LISTEN_S = 0.25
COMPUTED: Mapping[str, Callable[[Mapping[str, JsonValue]], object]] = {
    "set": lambda inputs: inputs,
    RETURN: lambda inputs: inputs,
    switching.USES: switching.choose,
}
"""Steps that are nothing but a computation on their inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt: what to do, with which inputs, for whom and for how long at most."""

    uses: str
    inputs: Mapping[str, JsonValue]
    connection: str | None
    context: StepContext
    stay: Stay | None = None
    pulse: Pulse | None = None
    origin: CallOrigin | None = None

    @property
    def arguments(self) -> Mapping[str, JsonValue]:
        """This will give what a Python function is called with."""
        args = self.inputs.get("args")
        return args if isinstance(args, Mapping) else {}

    @property
    def outside_context(self) -> CallContext:
        """This will say to an adapter whom it serves. Raises Refused in a dry run: whatever led here must not."""
        if self.context.is_dry_run:
            raise Refused("a dry run calls nobody outside")
        return CallContext(
            idempotency_key=self.context.idempotency_key,
            timeout_s=self.context.timeout_s,
            attempt=self.context.attempt,
            run_id=self.context.run_id,
            step=self.context.step,
            correlation_id=self.context.correlation_id,
            origin=self.origin,
            evaluate=cel_inputs.evaluate,
        )


def perform(call: Call) -> Outcome:
    """This will perform one attempt; whatever happens becomes an outcome, except the end of the process."""
    try:
        output = _dispatch(call)
    except (StepTimeout, Exception) as error:  # noqa: BLE001  the border to other people's code
        return ended(call, error=error)
    return judged(output, payload=call.inputs)


def judged(output: object, *, payload: JsonValue) -> Outcome:
    """This will say what an attempt came to that raised nothing."""
    if isinstance(output, Grow):
        return _growing(output, payload=payload)
    return output if isinstance(output, Parked | Failed) else sized_output(output, payload=payload)


def ended(call: Call, *, error: BaseException) -> Failed | Postponed:
    """This will say what an error of an attempt means."""
    if isinstance(error, CallPostponed):
        return Postponed(reason=WaitReason(error.reason), object=error.object_name, delay_s=error.delay_s)
    if isinstance(error, CallFailed):
        return Failed(
            kind=FailureKind(error.kind),
            message=readable(error.message),
            evidence=_evidence(error),
            requested_delay_s=error.retry_after_s,
            is_repeatable=error.repeatable,
            payload=call.inputs,
        )
    if isinstance(error, switching.CaseInvalid):
        return Failed(kind=FailureKind.REFUSED, message=readable(str(error)), payload=call.inputs)
    if isinstance(error, StepTimeout):
        message = f"did not end within its timeout of {call.context.timeout_s:g} s"
        return Failed(kind=FailureKind.TIMEOUT, message=message, payload=call.inputs)
    if isinstance(error, StepCancelled):
        return Failed(kind=FailureKind.ERROR, message=f"it was told to stop: {error}", payload=call.inputs)
    log.warning("step_raised", step=call.context.step, run_id=call.context.run_id, exc_info=error)
    message = f"{type(error).__name__}: {error}"
    return Failed(kind=FailureKind.ERROR, message=readable(message[:2000]), payload=call.inputs)


def sized_output(output: object, *, payload: JsonValue) -> Outcome:
    """This will check that an output can be stored: JSON, no NUL character, within the size limit."""
    limit = settings.STEP_OUTPUT_MAX_BYTES
    try:
        text = orjson.dumps(output)
    except (TypeError, ValueError) as error:
        return _unusable(f"its output is not JSON: {error}", payload=payload)
    if len(text) > limit:
        return _unusable(
            f"its output is {len(text)} bytes: at most {limit} are kept; store large results elsewhere "
            "and return where they are",
            payload=payload,
        )
    if holds_nul(text):
        return _unusable("its output holds a NUL character, which PostgreSQL cannot store", payload=payload)
    return Succeeded(output=orjson.loads(text), text=text.decode())


def _growing(grow: Grow, *, payload: JsonValue) -> Outcome:
    """Steps are stored with their run: they have to be JSON, as outputs have."""
    steps = sized_output(grow.steps, payload=payload)
    outcome = sized_output(grow.output, payload=payload)
    if isinstance(steps, Failed):
        return _unusable(f"the steps it returned cannot be kept: {steps.message}", payload=payload)
    if not isinstance(steps, Succeeded) or not isinstance(outcome, Succeeded) or not steps.output:
        return outcome
    return replace(outcome, growth=cast(Mapping[str, JsonObject], steps.output))


def _evidence(failure: CallFailed) -> Mapping[str, object]:
    """Evidence helps a person: what cannot be stored as it is, is kept as text."""
    as_text = {"text": readable(repr(failure.evidence))[:2000]}
    try:
        json_text = orjson.dumps(failure.evidence, default=repr, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return as_text
    kept: Mapping[str, object] = orjson.loads(json_text)
    return as_text if holds_nul(json_text) else kept


def _unusable(message: str, *, payload: JsonValue) -> Failed:
    return Failed(kind=FailureKind.REFUSED, message=message, payload=payload)


def _dispatch(call: Call) -> object:
    if call.uses in COMPUTED:
        return COMPUTED[call.uses](call.inputs)
    if call.uses == "python":
        return _call_function(call)
    if call.stay is not None:
        return waiting_steps.look(call.uses, stay=call.stay)
    return integrations.call(
        uses=call.uses, inputs=call.inputs, connection=call.connection, context=call.outside_context
    )


def _call_function(call: Call) -> object:
    function = registry.find(str(call.inputs["call"]))
    with time_limit(call.context.timeout_s):
        result = function.invoke(call.arguments, context=call.context)
        if inspect.iscoroutine(result):
            return _run(result, context=call.context)
        return result


def _run(result: Coroutine[object, object, object], *, context: StepContext) -> object:
    runner: asyncio.Runner | None = getattr(_loops, "runner", None)
    if runner is None:
        runner = _loops.runner = asyncio.Runner()
    try:
        return runner.run(asyncio.wait_for(_until_told(result, context=context), context.timeout_s))
    except TimeoutError as error:
        raise StepTimeout from error


async def _until_told(result: Coroutine[object, object, object], *, context: StepContext) -> object:
    """Wait for a coroutine, and cancel it when its step should stop."""
    task = asyncio.ensure_future(result)
    is_told = False
    try:
        while not (await asyncio.wait({task}, timeout=_LISTEN_S))[0]:
            if not is_told and context.is_cancelled():
                is_told = task.cancel()
        return task.result()
    except asyncio.CancelledError as error:
        task.cancel()
        await asyncio.wait({task})
        if is_told:
            raise StepCancelled("its coroutine was cancelled") from error
        raise
