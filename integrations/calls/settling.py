"""Settles calls of unknown outcome: by what the adapter's look-up found, or by a person who knows; both are audited."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from django.db import transaction
from django.utils import timezone

from audit import operations as audit
from audit.events import Actor, ActorKind, Event, EventKind
from audit.redaction import redacted_text
from integrations.call_models import Call
from integrations.calls.course import KEPT_BYTES, kept_text
from integrations.calls.rules import Outcome, Settlement, Verdict
from integrations.contract import Happened, LookUp
from integrations.errors import CallNotOpen, OutputUnusable, UnknownCall

_ENGINE = Actor(kind=ActorKind.ENGINE)
_MAX_REASON = 1000


def settle_by_look_up(call: Call, *, found: LookUp, verdict: Verdict, secrets: Collection[str]) -> bool:
    """This will write down what a look-up has found; False: the row has changed since it was read."""
    detail = "" if isinstance(found, Happened) else redacted_text(found.detail, secrets=secrets)
    evidence = {"look_up": verdict.value, "detail": detail.replace("\0", "")[:2000]}
    changes: dict[str, object] = {"look_ups": call.look_ups + 1, "evidence": evidence, "outcome": Outcome.UNKNOWN}
    if verdict is not Verdict.CANNOT_TELL:
        changes |= _settled(happened=verdict is Verdict.HAPPENED, how=Settlement.LOOK_UP)
    if isinstance(found, Happened):
        changes |= _output(kept_text(found.output))
    with transaction.atomic():
        if not _change(call, changes):
            return False
        audit.record(
            _event(call, actor=_ENGINE, how=Settlement.LOOK_UP, verdict=verdict, reason="", now=timezone.now())
        )
    call.outcome = str(changes["outcome"])
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a person has found out about a call: whether it happened, what it gave then, and how they know."""

    happened: bool
    output: object = None
    reason: str = ""


def settle_call(*, key: UUID, finding: Finding, actor: Actor, now: datetime) -> Call:
    """This will settle a call of unknown outcome by hand: its step, requeued, goes on by it.

    Where it happened, nothing is sent again and the step's output is the one given; where it did not, it may be sent
    freely. Raises UnknownCall, CallNotOpen where its outcome is known or an attempt may be under way, OutputUnusable.
    """
    text = kept_text(finding.output) if finding.happened else None
    if finding.happened and text is None:
        raise OutputUnusable(f"the output must be JSON of at most {KEPT_BYTES} bytes, without a NUL character")
    if not finding.reason.strip() or len(finding.reason) > _MAX_REASON or "\0" in finding.reason:
        raise OutputUnusable(f"the reason must say how you know, in 1 to {_MAX_REASON} characters")
    with transaction.atomic():
        call = Call.objects.select_for_update().filter(key=key).first()
        if call is None:
            raise UnknownCall(key)
        if call.happened is not None:
            raise CallNotOpen(f"the call {key} is not of unknown outcome: it {_word(call)}; nothing is changed")
        if call.outcome == Outcome.SENDING and call.until_at > now:
            raise CallNotOpen(f"an attempt of the call {key} may be under way until {call.until_at:%H:%M:%S} UTC")
        verdict = Verdict.HAPPENED if finding.happened else Verdict.DID_NOT_HAPPEN
        changes = {
            **_settled(happened=finding.happened, how=Settlement.HAND),
            **_output(text),
            "evidence": {"by": str(actor), "verdict": verdict.value, "reason": finding.reason},
        }
        Call.objects.filter(run_id=call.run_id, key=key).update(**changes)
        audit.record(_event(call, actor=actor, how=Settlement.HAND, verdict=verdict, reason=finding.reason, now=now))
    return Call.objects.get(run_id=call.run_id, key=key)


def _change(call: Call, changes: dict[str, object]) -> bool:
    rows = Call.objects.filter(run_id=call.run_id, key=call.key, attempts=call.attempts, outcome=call.outcome)
    return rows.update(**changes) == 1


def _settled(*, happened: bool, how: Settlement) -> dict[str, object]:
    return {"outcome": Outcome.SETTLED, "happened": happened, "settled_by": how, "is_uncertain": False}


def _output(text: bytes | None) -> dict[str, object]:
    return {"output": None if text is None else orjson.loads(text), "has_output": text is not None}


def _word(call: Call) -> str:
    return "has happened" if call.happened else "did not happen"


def _event(call: Call, *, actor: Actor, how: Settlement, verdict: Verdict, reason: str, now: datetime) -> Event:
    payload: dict[str, object] = {
        "call": str(call.key),
        "step": call.step,
        "adapter": call.adapter,
        "connection": call.connection,
        "attempts": call.attempts,
        "before": call.outcome,
        "how": how.value,
        "found": verdict.value,
    }
    if call.index is not None:
        payload["index"] = call.index
    if reason:
        payload["reason"] = reason
    return Event(
        kind=EventKind.CALL_SETTLED,
        actor=actor,
        subject_type="run",
        subject_id=str(call.run_id),
        correlation_id=call.correlation_id,
        at=now,
        payload=payload,
    )
