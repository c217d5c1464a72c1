"""The course of one attempt of a call: written down, sent or looked up, written down again; it does nothing itself.

A generator that asks for one thing after the other and hears what came of it, so that a worker that waits and an event
loop that does not follow the same rules.
"""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, cast
from uuid import UUID

import orjson
import structlog
from django.db import DatabaseError
from django.utils import timezone

from audit.redaction import redacted, redacted_text
from integrations.call_models import Call
from integrations.calls import files, rules
from integrations.calls.digest import request_digest
from integrations.calls.files import KeptFile
from integrations.calls.rules import Ability, Known, Next, Outcome, Verdict
from integrations.calls.store import Ask, Done
from integrations.contract import (
    CallContext,
    CallOrigin,
    CannotTell,
    ConnectionSettings,
    DidNotHappen,
    Happened,
    LookUp,
)
from integrations.errors import CallFailed, Postponed, Refused, Unavailable, Unknown

KEPT_BYTES = 65_536
"""A larger output is not kept here; the step has it."""
SETTLING = "settling"
"""The reason of a wait until no earlier attempt can be under way any more."""
_AGAIN_S = 1.0
_VERDICTS: Mapping[type[LookUp], Verdict] = {
    Happened: Verdict.HAPPENED,
    DidNotHappen: Verdict.DID_NOT_HAPPEN,
    CannotTell: Verdict.CANNOT_TELL,
}
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Hands(Protocol):
    """Who does what a course asks for; an event loop's give awaitables of the same."""

    def begin(self, ask: Ask) -> object:
        """This will write an attempt down. Answer: its number; None: the call is in doubt."""

    def find(self, run_id: UUID, key: UUID) -> object:
        """This will read a call. Answer: the row; None: there is none."""

    def resume(self, call: Call, timeout_s: float) -> object:
        """This will write another attempt of a call in doubt down. Answer: its number; None: the row has changed."""

    def send(self, context: CallContext) -> object:
        """This will have the adapter make the call. Answer: its output."""

    def look_up(self, context: CallContext) -> object:
        """This will have the adapter look up. Answer: what it found."""

    def settle(self, call: Call, found: LookUp, verdict: Verdict) -> object:
        """This will write down what was found. Answer: whether the row was still as it was read."""

    def end(self, done: Done) -> object:
        """This will write down what the attempt came to."""


Action: TypeAlias = Callable[[Hands], object]
Course: TypeAlias = Generator[Action, object, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a step's call, and what protects it."""

    uses: str
    inputs: Mapping[str, object]
    connection: ConnectionSettings | None
    context: CallContext
    origin: CallOrigin
    ability: Ability
    keeps_files_apart: bool = False

    def ask(self) -> Ask:
        """This will give what is written down before anything is sent."""
        context = self.context
        return {
            "key": context.idempotency_key,
            "run_id": context.run_id,
            "workflow_name": self.origin.workflow,
            "step": context.step,
            "index": self.origin.index,
            "round": self.origin.round,
            "correlation_id": context.correlation_id,
            "adapter": self.uses,
            "connection": "" if self.connection is None else self.connection.name,
            "digest": request_digest(uses=self.uses, inputs=self.inputs, connection=self.connection),
            "is_safe": self.ability.is_safe,
            "timeout_s": context.timeout_s,
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """This will give what must not be written down."""
        return () if self.connection is None else self.connection.secrets

    def taken_apart(self, output: object) -> tuple[object, list[KeptFile]]:
        """This will give what the step gets of an output, and the files that only the ledger keeps."""
        if not self.keeps_files_apart:
            return output, []
        return files.taken_out(output, call=self.context.idempotency_key)


@dataclass(frozen=True, slots=True)
class _Going:
    """An attempt that is written down and may be sent."""

    number: int
    was_uncertain: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    """The call has happened, and this is what it gave."""

    output: object


def course(attempt: Attempt) -> Course:
    """This will make the call, or say why it must not be made. Gives its output.

    Raises as `Adapter.call` does, and Postponed while an earlier attempt may still be under way.
    """
    began = time.monotonic()
    ask = attempt.ask()
    try:
        number = yield lambda hands: hands.begin(ask)
    except DatabaseError as error:
        raise Unavailable(f"it was not sent, because it could not be written down before: {error}") from error
    going = _Going(cast(int, number), was_uncertain=False)
    if number is None:
        found = yield from _resolved(attempt, ask=ask)
        if isinstance(found, _Answer):
            return found.output
        going = found
    left_s = max(attempt.context.timeout_s - (time.monotonic() - began), 0.001)
    return (yield from _sent(attempt, going=going, context=replace(attempt.context, timeout_s=left_s)))


def _sent(attempt: Attempt, *, going: _Going, context: CallContext) -> Course:
    began = time.monotonic()

    def done(outcome: Outcome, *, error: BaseException | None = None) -> Done:
        return _done(attempt, going, outcome=outcome, error=error, seconds=time.monotonic() - began)

    try:
        output = yield lambda hands: hands.send(context)
    except CallFailed as failure:
        if isinstance(failure, Unknown) and attempt.ability.may_follow:
            failure.repeatable = True  # the next attempt looks first, or the peer knows the key
        ended = done(Outcome(failure.kind), error=failure)
        yield from _written(ended)
        raise
    except BaseException as error:
        ended = done(Outcome.UNKNOWN, error=error)
        yield from _written(ended)
        raise
    told, apart = attempt.taken_apart(output)
    ended = _with_output(done(Outcome.SUCCEEDED), output=told, apart=apart)
    yield from _written(ended)
    return told


def _written(done: Done) -> Course:
    """What cannot be written down stays unknown, which is the truth as far as the ledger goes; the answer counts."""
    try:
        yield lambda hands: hands.end(done)
    except DatabaseError as error:
        _log.warning("call_end_not_written", key=done["key"], run_id=done["run_id"], error=str(error))
    return None


def _resolved(attempt: Attempt, *, ask: Ask) -> Generator[Action, object, _Going | _Answer]:
    """Find out what may be done about a call in doubt. Raises what ends the attempt."""
    call = cast("Call | None", (yield lambda hands: hands.find(UUID(attempt.context.run_id), UUID(ask["key"]))))
    if call is None:
        raise _again(ask["key"], delay_s=_AGAIN_S)
    known = Known(happened=call.happened, is_same_request=call.digest == ask["digest"], has_output=call.has_output)
    following = rules.following(known, ability=attempt.ability)
    if following is Next.LOOK_UP:
        return (yield from _looked_up(attempt, ask=ask, call=call))
    if following is Next.ANSWER:
        return _Answer(call.output)
    if following is Next.SEND:
        return (yield from _resumed(attempt, call=call))
    raise _end_of(following, call=call, detail="nothing recognises a second attempt, and nothing can look it up")


def _looked_up(attempt: Attempt, *, ask: Ask, call: Call) -> Generator[Action, object, _Going | _Answer]:
    try:
        found = cast(LookUp, (yield lambda hands: hands.look_up(attempt.context)))
    except Refused as error:
        found = CannotTell(f"the look-up was refused: {error.message}")
    except CallFailed as error:
        message = f"attempt {call.attempts} may have happened, and it cannot be looked up now: {error.message}"
        raise Unavailable(message, retry_after_s=error.retry_after_s, evidence=error.evidence) from error
    verdict = _VERDICTS[type(found)]
    is_in_flight = call.outcome == Outcome.SENDING and call.until_at > timezone.now()
    following = rules.following_look_up(verdict, ability=attempt.ability, is_in_flight=is_in_flight)
    if following is Next.WAIT:
        raise _again(ask["key"], delay_s=max((call.until_at - timezone.now()).total_seconds(), 0.0))
    if not (yield lambda hands: hands.settle(call, found, verdict)):
        raise _again(ask["key"], delay_s=_AGAIN_S)
    if isinstance(found, Happened):
        return _Answer(found.output)
    if following is Next.GIVE_UP:
        raise _end_of(following, call=call, detail=redacted_text(found.detail, secrets=attempt.secrets))
    if verdict is Verdict.CANNOT_TELL:
        return (yield from _resumed(attempt, call=call))
    number = yield lambda hands: hands.begin(ask)
    if number is None:
        raise _again(ask["key"], delay_s=_AGAIN_S)
    return _Going(cast(int, number), was_uncertain=False)


def _resumed(attempt: Attempt, *, call: Call) -> Generator[Action, object, _Going]:
    number = yield lambda hands: hands.resume(call, attempt.context.timeout_s)
    if number is None:
        raise _again(str(call.key), delay_s=_AGAIN_S)
    return _Going(cast(int, number), was_uncertain=True)


def _again(key: str, *, delay_s: float) -> Postponed:
    return Postponed(reason=SETTLING, object_name=key, delay_s=delay_s)


def _end_of(following: Next, *, call: Call, detail: str) -> CallFailed:
    evidence = {"call": str(call.key), "attempts": call.attempts, "outcome": call.outcome}
    if following is Next.CHANGED:
        what = "has happened" if call.happened else "may have happened"
        return Refused(
            f"the request is not the one of attempt {call.attempts}, which {what}: under the same idempotency key the "
            "peer would take it for that one; settle the call, set the step's result by hand, or retry in a new run",
            evidence=evidence,
        )
    if following is Next.LOST:
        return Refused(
            "the call has happened, but its output is not known, and nothing recognises a second attempt: "
            "set the step's result by hand",
            evidence={**evidence, "happened": True},
        )
    return Unknown(
        f"attempt {call.attempts} may have happened: {detail}; settle the call {call.key}, then requeue",
        evidence=evidence,
        repeatable=False,
    )


def _done(attempt: Attempt, going: _Going, *, outcome: Outcome, error: BaseException | None, seconds: float) -> Done:
    has_happened = isinstance(error, CallFailed) and error.evidence.get("happened") is True
    end = rules.ended(outcome, has_happened=has_happened, was_uncertain=going.was_uncertain)
    evidence, kept_files = (None, []) if error is None else _evidence(error, secrets=attempt.secrets)
    return {
        "key": attempt.context.idempotency_key,
        "run_id": attempt.context.run_id,
        "attempts": going.number,
        "outcome": end.outcome.value,
        "happened": end.happened,
        "settled_by": end.settled_by,
        "duration_ms": round(seconds * 1000, 3),
        "evidence": evidence,
        "output": None,
        "has_output": False,
        "files": kept_files,
    }


def _with_output(done: Done, *, output: object, apart: list[KeptFile]) -> Done:
    kept = kept_text(output)
    found = apart
    if not apart and (kept is None or files.SIGN in kept):
        _, found = files.taken_out(output)
    return {
        **done,
        "output": None if kept is None else orjson.loads(kept),
        "has_output": kept is not None,
        "files": found,
    }


def not_sent(ask: Ask, *, number: int) -> Done:
    """This will say of an attempt that was written down that nothing was sent."""
    return {
        "key": ask["key"],
        "run_id": ask["run_id"],
        "attempts": number,
        "outcome": Outcome.UNAVAILABLE.value,
        "happened": False,
        "settled_by": "",
        "duration_ms": 0.0,
        "evidence": {"message": "it was told to stop before anything was sent"},
        "output": None,
        "has_output": False,
        "files": [],
    }


def kept_text(output: object) -> bytes | None:
    """This will write an output as JSON; None when it is too large to be kept, or cannot be stored."""
    try:
        text = orjson.dumps(output)
    except (TypeError, ValueError):
        return None
    return text if len(text) <= KEPT_BYTES and b"\\u0000" not in text else None


def _evidence(error: BaseException, *, secrets: tuple[str, ...]) -> tuple[object, list[KeptFile]]:
    """What is known of a failure, without secrets and without the contents of files; and those."""
    known: dict[str, object] = {"message": str(error)[:2000], "error": type(error).__name__}
    if isinstance(error, CallFailed):
        known = {**error.evidence, "message": error.message[:2000]}
    told, found = files.taken_out(redacted(known, secrets=secrets))
    text = kept_text(told)
    return ({"error": type(error).__name__} if text is None else orjson.loads(text)), found
