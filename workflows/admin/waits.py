"""Says in plain words what a run waits for, from its activations; pure, it reads no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from workflows import inspection
from workflows.core.states import WaitReason
from workflows.core.wording import WORDS
from workflows.inspection import known_until
from workflows.places import gate_words
from workflows.templatetags.workflow_display import span, words
from workflows.timeline import Story, Wait


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing a run waits for. `state` gives its colour; `ends_when` completes "it goes on when ..."."""

    step: str
    state: str
    text: str
    ends_when: str = ""


_HELD: Mapping[WaitReason, str] = {
    WaitReason.LIMIT: "waits for the limit {}, which does not exist any more",
    WaitReason.RATE: "held back by the rate limit of {}",
    WaitReason.BREAKER: "held back because the circuit breaker of {} is open",
    WaitReason.SETTLING: "waiting until no earlier attempt of its call {} can be under way",
}


def sentences(story: Story, *, now: datetime) -> Sequence[Sentence]:
    """This will say for each step under way what it waits for; the pullers of a `for_each` are one sentence."""
    by_step = [list(waits) for _step, waits in groupby(story.waits, key=lambda wait: wait.step)]
    return [replace(_sentence(story, waits=waits, now=now), ends_when=_ends_when(waits)) for waits in by_step]


def _ends_when(waits: Sequence[Wait]) -> str:
    wait = _first(waits)
    name = {WaitReason.WORKER: wait.lane, WaitReason.RUNNING: wait.owner}.get(wait.reason, wait.object)
    told = WORDS[wait.reason].about(name or "this workflow").ends_when
    return told if wait.fate is None or wait.pause is not None else f"{told}; {wait.fate.words}"


def _first(waits: Sequence[Wait]) -> Wait:
    return min(waits, key=lambda wait: (not wait.is_running, wait.due_at))


def _sentence(story: Story, *, waits: Sequence[Wait], now: datetime) -> Sentence:
    wait = _first(waits)
    if wait.pause is not None:
        return Sentence(wait.step, "waiting", _held(wait, due=0.0))
    if len(waits) > 1 or wait.slot > 0:
        return _of_items(story, waits=waits)
    since = span((now - wait.since).total_seconds())
    due = (wait.due_at - now).total_seconds()
    match wait.reason:
        case WaitReason.RUNNING:
            text = f"attempt {wait.attempt} is at work for {since} on {wait.owner}"
            return Sentence(wait.step, "running", f"{text}; its lease {_due(due)}{_said(wait)}")
        case WaitReason.WORKER:
            text = f"waits for a worker of lane {wait.lane} since {since}; announced {_times(wait.dispatches)}"
            return Sentence(wait.step, "ready", text)
        case WaitReason.RETRY:
            text = f"attempt {wait.attempt} {_begins(due)}"
            return Sentence(wait.step, "retrying", text + _cause(story, step=wait.step))
        case WaitReason.DELAYED | WaitReason.DELAYED_ENTRY:
            return Sentence(wait.step, "waiting", f"was told to wait; its start {_begins(due)}")
        case WaitReason.ITEMS:
            text = f"waits for items whose next attempt {_begins(due)}"
            return Sentence(wait.step, "waiting", text)
        case WaitReason.LIMIT if wait.line is not None:
            place = wait.line
            text = f"place {place.position} in line for a slot of the limit {wait.object}"
            return Sentence(wait.step, "waiting", f"{text}: {place.held} of {place.capacity} are held")
        case _:
            return Sentence(wait.step, "waiting", _held(wait, due=due))


def _said(wait: Wait) -> str:
    return "" if wait.beat is None else f"; {inspection.beat_words(wait.beat)}"


def _held(wait: Wait, *, due: float) -> str:
    if wait.pause is not None:
        return f"is paused with the {wait.pause.words}"
    if wait.reason is WaitReason.TIMER:
        return f"waits until {wait.due_at:%Y-%m-%d %H:%M:%S}, {_again(due)}"
    if not wait.reason.is_gate:
        told = _HELD.get(wait.reason, WORDS[wait.reason].says).replace("{}", wait.object)
        then = "it ends or more are asked" if wait.reason in (WaitReason.APPROVAL, WaitReason.TASK) else "asks again"
        return f"{told}; {then} {_again(due)}" if known_until(wait.due_at) else told
    told = gate_words(reason=wait.reason, key=wait.object, place=wait.place)
    return told if wait.place is not None else f"{told}; looks again {_again(due)}"


def _begins(seconds: float) -> str:
    return f"begins in {span(seconds)}" if seconds > 0 else "is due now"


def _of_items(story: Story, *, waits: Sequence[Wait]) -> Sentence:
    busy = sum(wait.is_running for wait in waits)
    step = next(step for step in story.steps if step.id == waits[0].step)
    text = f"{busy} of {len(waits)} pullers at work"
    if step.items is not None:
        text = f"{step.items.ended:,} of {step.items.total:,} items have ended; {text}"
    return Sentence(step.id, "running" if busy else "waiting", text)


def _cause(story: Story, *, step: str) -> str:
    failures = next(found.failures for found in story.steps if found.id == step)
    if not failures:
        return ""
    latest = failures[-1]
    return f", because attempt {latest.attempt} was {words(latest.kind)}: {latest.message[:200]}"


def _due(seconds: float) -> str:
    return f"ends in {span(seconds)} unless it is renewed" if seconds > 0 else "has ended: it is taken over"


def _again(seconds: float) -> str:
    return f"in {span(seconds)}" if seconds > 0 else "now"


def _times(number: int) -> str:
    return "not yet" if number == 0 else "once" if number == 1 else f"{number} times"
