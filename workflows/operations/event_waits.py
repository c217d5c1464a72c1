"""The step `wait` with an `event`: writes down what it waits for, and looks for the oldest event that fits.

The order matters. The wait is committed first; then, alone with its type and key, the step looks for events. Whoever
publishes stores the event first and then looks for waits. So either the event is seen here or the wait there, or the
event is under way in a transaction that has not ended: then the step looks again in a moment.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.events import Actor, ActorKind, EncodedEvent, EventKind, encode
from audit.events import Event as AuditEvent
from workflows import event_matching, event_store
from workflows.core import correlation, timers
from workflows.core.correlation import Choice, Event, Match, Wanted
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.outcome import Failed, Parked
from workflows.core.states import FailureKind, WaitReason
from workflows.core.templates import TemplateInvalid
from workflows.core.timers import WaitInvalid
from workflows.core.waiting_kinds import Stay
from workflows.event_models import EventWaitState
from workflows.event_queries import event_of
from workflows.event_store import Asked
from workflows.expressions import ExpressionInvalid
from workflows.models import Event as EventRow
from workflows.models import EventWait
from workflows.operations.subjects import Closing

_ENGINE = Actor(kind=ActorKind.ENGINE)
_AGAIN = timedelta(seconds=1)
_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """The inputs of a wait for an event, judged."""

    type: str
    key: str
    source: str
    match: str | None
    until: datetime | None
    goes_on: bool

    @property
    def object(self) -> str:
        return correlation.object_of(self.type, key=self.key)


def wait(stay: Stay) -> JsonObject | Failed | Parked:
    """This will look whether a wait is over: its time has come, or its event."""
    if "event" not in stay.inputs:
        return timers.wait(stay)
    try:
        question = _question(stay)
        matches = event_matching.matcher(question.match, values=stay.values)
    except (WaitInvalid, ExpressionInvalid, TemplateInvalid) as error:
        return Failed(kind=FailureKind.REFUSED, message=str(error), payload=stay.inputs)
    asked = _ask(stay, question=question)
    if asked is None or asked.state == EventWaitState.TIMED_OUT:
        return _without(stay, question=question)
    if asked.event is not None:
        return _received(stay, event=asked.event)
    return _look(stay, question=question, asked=asked, matches=matches)


def close(closing: Closing) -> None:
    """This will end the open waits of steps that are ended, or brought back, from outside."""
    waits = EventWait.objects.filter(run_id=closing.run_id, step__in=closing.steps, state=EventWaitState.WAITING)
    if closing.index is not None:
        waits = waits.filter(index=closing.index)
    waits.update(state=EventWaitState.CLOSED, ended_at=closing.now)


def _question(stay: Stay) -> _Question:
    given = stay.inputs["event"]
    values = given if isinstance(given, dict) else {}
    event_type, source, match = values.get("type"), values.get("source", ""), values.get("match")
    if not isinstance(event_type, str) or not 0 < len(event_type) <= correlation.MAX_TYPE:
        raise WaitInvalid(f"`event.type`: must be text of 1 to {correlation.MAX_TYPE} characters")
    if not isinstance(source, str):
        raise WaitInvalid("`event.source`: must be text")
    try:
        key = correlation.key_of(values.get("key"))
    except ValueError as error:
        raise WaitInvalid(f"`event.key`: {error}") from error
    is_bounded = "for" in stay.inputs or "until" in stay.inputs
    return _Question(
        type=event_type,
        key=key,
        source=source,
        match=match if isinstance(match, str) else None,
        until=timers.wait_until(stay.inputs, begun_at=stay.begun_at) if is_bounded else None,
        goes_on=stay.inputs.get("on_timeout") == "continue",
    )


def _ask(stay: Stay, *, question: _Question) -> Asked | None:
    return event_store.ask(
        {
            "run_id": stay.run_id,
            "workflow": stay.workflow_name,
            "step": stay.step,
            "index": -1 if stay.index is None else stay.index,
            "round": stay.round,
            "type": question.type,
            "key": question.key,
            "source": question.source,
            "match": question.match or "",
            "until": question.until,
        }
    )


def _look(stay: Stay, *, question: _Question, asked: Asked, matches: Match) -> JsonObject | Failed | Parked:
    wanted = Wanted(
        type=question.type, key=question.key, source=question.source, since=asked.since, until=question.until
    )
    with transaction.atomic():
        is_alone = event_store.try_lock(event_type=question.type, key=question.key)
        choice = _choice(stay, wanted=wanted, matches=matches)
    if choice.event is not None:
        is_ours = event_store.end(
            asked.id, state=EventWaitState.RECEIVED, choice=choice, trail=_trail(stay, event=choice.event)
        )
        return _answer(stay, event=choice.event.document) if is_ours else _parked(question, at=stay.now)
    is_over = question.until is not None and question.until <= stay.now
    if not is_alone:
        return _parked(question, at=stay.now)
    if not is_over:
        if choice.passed_over:
            EventWait.objects.filter(id=asked.id).update(passed_over=choice.passed_over, problem=choice.problem[:500])
        return Parked(reason=WaitReason.EVENT, object=question.object, until=question.until)
    event_store.end(asked.id, state=EventWaitState.TIMED_OUT, choice=choice, trail=None)
    return _without(stay, question=question)


def _choice(stay: Stay, *, wanted: Wanted, matches: Match) -> Choice:
    """What a step had received before it was brought back, it receives again."""
    if stay.round:
        before = _received_before(stay, wanted=wanted)
        if before is not None:
            return Choice(event=before)
    passed_over, problem = 0, ""
    for page in _pages(wanted):
        choice = correlation.choose(wanted, events=page, matches=matches)
        if choice.event is not None:
            return choice
        passed_over, problem = passed_over + choice.passed_over, choice.problem or problem
    return Choice(event=None, passed_over=passed_over, problem=problem)


def _pages(wanted: Wanted) -> Iterator[list[Event]]:
    """The events of a type and key that are of its time, the oldest first."""
    rows = EventRow.objects.filter(type=wanted.type, key=wanted.key, expires_at__gt=wanted.since)
    if wanted.source:
        rows = rows.filter(source=wanted.source)
    if wanted.until is not None:
        rows = rows.filter(received_at__lt=wanted.until)
    page: list[Event] = []
    for row in rows.order_by("received_at", "id").iterator(chunk_size=_PAGE):
        page.append(event_of(row))
        if len(page) == _PAGE:
            yield page
            page = []
    yield page


def _received_before(stay: Stay, *, wanted: Wanted) -> Event | None:
    earlier = EventWait.objects.filter(
        run_id=stay.run_id,
        step=stay.step,
        index=-1 if stay.index is None else stay.index,
        round__lt=stay.round,
        type=wanted.type,
        key=wanted.key,
        state=EventWaitState.RECEIVED,
    )
    row = EventRow.objects.filter(id__in=earlier.order_by("-round").values("event")[:1]).first()
    return None if row is None else event_of(row)


def _received(stay: Stay, *, event: UUID) -> JsonObject | Failed:
    row = EventRow.objects.filter(id=event).first()
    if row is None:
        message = f"it received event {event}, which is not kept any more"
        return Failed(kind=FailureKind.REFUSED, message=message, payload=stay.inputs)
    return _answer(stay, event=event_of(row).document)


def _parked(question: _Question, *, at: datetime) -> Parked:
    """Somebody is publishing such an event, and nobody can tell yet what comes of it."""
    soon = at + _AGAIN
    is_sooner = question.until is not None and at < question.until < soon
    return Parked(reason=WaitReason.EVENT, object=question.object, until=question.until if is_sooner else soon)


def _without(stay: Stay, *, question: _Question) -> JsonObject | Failed | Parked:
    """It ends without an event: its time is over, or its run has ended, and then nobody takes the answer."""
    if question.until is None or question.until > stay.now:
        return Parked(reason=WaitReason.EVENT, object=question.object, until=question.until)
    if question.goes_on:
        return _answer(stay, event=None)
    message = f"the event {question.object} did not come by {question.until.isoformat()}"
    return Failed(kind=FailureKind.TIMEOUT, message=message, is_repeatable=False, payload=stay.inputs)


def _answer(stay: Stay, *, event: JsonValue) -> JsonObject:
    waited_s = max((stay.now - stay.begun_at).total_seconds(), 0.0)
    return {"event": event, "timed_out": event is None, "waited_s": round(waited_s, 3)}


def _trail(stay: Stay, *, event: Event) -> EncodedEvent:
    payload = {"step": stay.step, "index": stay.index, "event": str(event.row), "id": event.id, "source": event.source}
    return encode(
        AuditEvent(
            kind=EventKind.EVENT_RECEIVED,
            actor=_ENGINE,
            subject_type="run",
            subject_id=str(stay.run_id),
            correlation_id=stay.correlation_id,
            at=stay.now,
            payload=payload,
        )
    )
