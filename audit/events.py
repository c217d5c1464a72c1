"""The vocabulary of the audit trail and its canonical form; it never does I/O and never reads a clock.

The canonical form follows RFC 8785 (JSON Canonicalization Scheme) with three restrictions, so that a general
serialiser yields it: no floating-point numbers, integers within +-(2**53 - 1), and keys ordered by code point
(the same order as the RFC's as long as no key holds a character beyond the basic multilingual plane).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType
from typing import TypedDict

import orjson

from audit.errors import UnencodableEvent

_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_SCALARS = (str, int, NoneType)
_SEQUENCES = (list, tuple)


class EventKind(StrEnum):
    """Everything the trail can tell; a new kind of change gets its word here first."""

    RUN_STARTED = "run.started"
    RUN_QUEUED = "run.queued"
    """It was not let in yet; the payload's `reason` and `key` say by what."""
    RUN_ADMITTED = "run.admitted"
    RUN_JOINED = "run.joined"
    """Another start was answered with this run; the payload's `how` says by which rule."""
    RUN_SUCCEEDED = "run.succeeded"
    RUN_FAILED = "run.failed"
    RUN_CANCELLED = "run.cancelled"
    RUN_ENDING = "run.ending"
    """What it will end as is decided; what it owes before that, undo and `finally`, comes now."""
    RUN_DEADLINE_MISSED = "run.deadline_missed"
    RUN_GROWN = "run.grown"
    """A step has returned further `steps`; the payload has the digests of what the run consists of now."""
    RUN_REQUEUED = "run.requeued"
    RUN_RETRIED = "run.retried"
    """Another run does its work again; the payload's `retry` names it, `reused` and `executed` say how."""
    RUN_MOVED = "run.moved"
    """It goes on with another version; the payload's `before` and `after` are their numbers."""
    STEPS_CARRIED = "steps.carried"
    """The run has taken over results of another one; the payload's `steps` and `of` say which."""
    STEP_SUCCEEDED = "step.succeeded"
    STEP_FAILED = "step.failed"
    STEP_RETRYING = "step.retrying"
    STEP_REPEATING = "step.repeating"
    """A round of its `repeat_until` has ended, and another one follows."""
    STEP_SKIPPED = "step.skipped"
    STEP_CANCELLED = "step.cancelled"
    STEP_UPSTREAM_FAILED = "step.upstream_failed"
    STEP_LOST = "step.lost"
    STEP_DISCARDED = "step.discarded"
    ITEM_SUCCEEDED = "item.succeeded"
    ITEM_FAILED = "item.failed"
    ITEM_RETRYING = "item.retrying"
    STEP_PARKED = "step.parked"
    """It has begun and waits for something outside; the payload's `waits_for` says for what kind of thing."""
    ITEMS_PARKED = "items.parked"
    ITEMS_SUCCEEDED = "items.succeeded"
    """Several items of one step ended together; the payload's `indexes` says which."""
    DEAD_LETTER_CREATED = "dead_letter.created"
    DEAD_LETTER_REQUEUED = "dead_letter.requeued"
    DEAD_LETTER_DISCARDED = "dead_letter.discarded"
    INPUTS_EDITED = "inputs.edited"
    """Somebody gave a failed step or item other inputs; the payload holds the digests of old and new."""
    RESULT_SET = "result.set"
    """Somebody gave a step or item its result by hand; the payload says which, why, and what stood there before."""
    INCIDENT_OPENED = "incident.opened"
    INCIDENT_REOPENED = "incident.reopened"
    INCIDENT_RESOLVING = "incident.resolving"
    INCIDENT_FAILED_AGAIN = "incident.failed_again"
    INCIDENT_RESOLVED = "incident.resolved"
    INCIDENT_DISCARDED = "incident.discarded"
    INCIDENT_ASSIGNED = "incident.assigned"
    MESSAGE_POISONED = "message.poisoned"
    MESSAGE_RECOVERED = "message.recovered"
    MESSAGE_DISCARDED = "message.discarded"
    WORKFLOW_PUBLISHED = "workflow.published"
    WORKFLOW_ENABLED = "workflow.enabled"
    WORKFLOW_DISABLED = "workflow.disabled"
    CANARY_BEGUN = "canary.begun"
    """A share of the starts gets another version; the payload's `canary` and `percent` say which, and how many."""
    CANARY_CHANGED = "canary.changed"
    CANARY_PROMOTED = "canary.promoted"
    CANARY_ROLLED_BACK = "canary.rolled_back"
    VERSION_CHOSEN = "workflow.version_chosen"
    """All starts get a version without its having been on trial; an earlier one, as a rule."""
    EVENT_PUBLISHED = "event.published"
    EVENT_RECEIVED = "event.received"
    """A step that waited for an event has it; the payload says which step and which event."""
    SOURCE_CHANGED = "webhook_source.changed"
    SOURCE_DELETED = "webhook_source.deleted"
    DELIVERY_REPLAYED = "webhook.replayed"
    """Somebody had a stored request read again; the payload names the new one."""
    ENDPOINT_CHANGED = "webhook_endpoint.changed"
    ENDPOINT_DELETED = "webhook_endpoint.deleted"
    ENDPOINT_DISABLED = "webhook_endpoint.disabled"
    """Its receiver is gone, or has failed for too long; the payload's `reason` says which."""
    MESSAGE_REDELIVERED = "webhook_message.redelivered"
    TRIGGER_CHANGED = "trigger.changed"
    TRIGGER_ENDED = "trigger.ended"
    TRIGGER_REFUSED = "trigger.refused"
    """An event should have started a run and could not; the payload says which and why."""
    EVENT_MISSING = "event.missing"
    """An event that was expected has stayed away for too long."""
    TOKEN_CREATED = "token.created"  # noqa: S105 - a word of the vocabulary
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - a word of the vocabulary
    CONNECTION_CHANGED = "connection.changed"
    SECRET_SET = "secret.set"  # noqa: S105 - a word of the vocabulary
    """A stored secret was given a value; the payload says which version, never what."""
    SECRET_RESEALED = "secret.resealed"  # noqa: S105 - a word of the vocabulary
    """It was encrypted anew with another key."""
    SECRET_DELETED = "secret.deleted"  # noqa: S105 - a word of the vocabulary
    CONNECTION_PROBED = "connection.probed"
    BREAKER_CHANGED = "connection.breaker_changed"
    CALL_SETTLED = "call.settled"
    """Somebody or something found out whether a call has happened; the payload says how, and what was `found`."""
    PAUSE_BEGUN = "pause.begun"
    PAUSE_ENDED = "pause.ended"
    LIMIT_CHANGED = "limit.changed"
    LIMIT_DELETED = "limit.deleted"
    SCHEDULE_CHANGED = "schedule.changed"
    SCHEDULE_ENDED = "schedule.ended"
    SCHEDULE_PAUSED = "schedule.paused"
    SCHEDULE_RESUMED = "schedule.resumed"
    SCHEDULE_TRIGGERED = "schedule.triggered"
    """Somebody had it fire by hand."""
    SCHEDULE_FIRED = "schedule.fired"
    """A due time came to something; the payload says to what, and why nothing was started."""
    SCHEDULE_MISSED = "schedule.missed"
    """A due time passed and nobody recorded it: the alarm."""
    BACKFILL_STARTED = "backfill.started"
    BACKFILL_STOPPED = "backfill.stopped"
    BACKFILL_DONE = "backfill.done"
    CALENDAR_CHANGED = "calendar.changed"
    CALENDAR_DELETED = "calendar.deleted"
    HISTORY_DROPPED = "history.dropped"
    """A month has gone; the payload says how many rows of which tables, how many stay, and of the trail a digest."""
    MONTH_MISSING = "history.month_missing"
    HOLD_PLACED = "hold.placed"
    HOLD_RELEASED = "hold.released"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_ANSWERED = "approval.answered"
    """One person approved or rejected; the payload's `digest` is that of what this person saw."""
    APPROVAL_DELEGATED = "approval.delegated"
    """Somebody has handed his say to somebody else; the payload names both, and the digest of what he saw."""
    APPROVAL_LINK_MADE = "approval.link_made"
    """A one-time link was made by which one person answers; the payload names the person, never the address."""
    APPROVAL_TOLD = "approval.told"
    """People were told of it; the payload says on which occasion, how many, and who could not be reached."""
    APPROVAL_ESCALATED = "approval.escalated"
    APPROVAL_APPROVED = "approval.approved"
    APPROVAL_REJECTED = "approval.rejected"
    APPROVAL_EXPIRED = "approval.expired"
    APPROVAL_WITHDRAWN = "approval.withdrawn"
    """Its run ended, or its step began anew, before it was decided."""
    TASK_REQUESTED = "task.requested"
    TASK_CLAIMED = "task.claimed"
    TASK_UNCLAIMED = "task.unclaimed"
    TASK_ANSWERED = "task.answered"
    """One person said that it is done; the payload's `digest` is that of what this person saw."""
    TASK_DELEGATED = "task.delegated"
    TASK_LINK_MADE = "task.link_made"
    TASK_TOLD = "task.told"
    TASK_ESCALATED = "task.escalated"
    TASK_OVERDUE = "task.overdue"
    TASK_COMPLETED = "task.completed"
    TASK_EXPIRED = "task.expired"
    TASK_WITHDRAWN = "task.withdrawn"
    ALERT_RULE_CHANGED = "alert_rule.changed"
    ALERT_RULE_DELETED = "alert_rule.deleted"
    ALERT_BEGUN = "alert.begun"
    ALERT_ENDED = "alert.ended"
    JOB_PUBLISHED = "reconciliation.published"
    JOB_ENABLED = "reconciliation.enabled"
    JOB_DISABLED = "reconciliation.disabled"
    JOB_COMPARED = "reconciliation.compared"
    """Both sides were read to their ends; the payload has the counts."""
    JOB_COMPARISON_FAILED = "reconciliation.comparison_failed"
    RULE_IN_FORCE = "reconciliation.rule_in_force"
    """Somebody has seen what a rule would do, and lets it; the payload has the rule's digest."""
    VARIANCE_OPENED = "variance.opened"
    VARIANCE_REOPENED = "variance.reopened"
    VARIANCE_CLOSED = "variance.closed"
    """A comparison that covered it did not find it again; the payload's `how` says whether it had been repaired."""
    VARIANCE_ANSWERED = "variance.answered"
    VARIANCE_ASSIGNED = "variance.assigned"
    REPAIR_STARTED = "repair.started"
    """The payload names the rule, its digest and the run that carries it out."""
    REPAIR_DONE = "repair.done"
    REPAIR_UNDONE = "repair.undone"
    NOTIFICATION_QUEUED = "notification.queued"
    NOTIFICATION_SENT = "notification.sent"
    NOTIFICATION_DEAD = "notification.dead"
    NOTIFICATION_REQUEUED = "notification.requeued"


class ActorKind(StrEnum):
    """Who can be the cause of a change."""

    USER = "user"
    TOKEN = "token"  # noqa: S105 - a word of the vocabulary
    SCHEDULE = "schedule"
    WEBHOOK = "webhook"
    TRIGGER = "trigger"
    ENGINE = "engine"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who caused a change.

    >>> str(Actor(kind=ActorKind.USER, id="7")), str(Actor(kind=ActorKind.ENGINE))
    ('user:7', 'engine')
    """

    kind: ActorKind
    id: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else str(self.kind)

    @classmethod
    def parse(cls, text: str) -> "Actor":
        """This will read an actor back from its text. Raises ValueError when the kind is none of `ActorKind`.

        >>> Actor.parse("token:ci:3")
        Actor(kind=<ActorKind.TOKEN: 'token'>, id='ci:3')
        """
        kind, _, identity = text.partition(":")
        return cls(kind=ActorKind(kind), id=identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change, as its author states it.

    `at` must be aware. `subject_type` and `subject_id` name what changed (for what happens inside a run, the
    run). `payload` holds strings, integers, booleans, None, lists and dicts of them; write amounts and
    durations as strings or integers.
    """

    kind: EventKind
    actor: Actor
    subject_type: str
    subject_id: str
    correlation_id: str
    at: datetime
    payload: Mapping[str, object] = field(default_factory=dict)


class EncodedEvent(TypedDict):
    """An event as the database function `audit_record` takes it; every value is a string.

    `at` is ISO 8601 in UTC with microseconds, `payload` canonical JSON, `digest` SHA-256 in hexadecimal.
    """

    at: str
    kind: str
    actor: str
    subject_type: str
    subject_id: str
    correlation_id: str
    payload: str
    digest: str


def encode(event: Event) -> EncodedEvent:
    """This will turn an event into the row that the database stores, digest included.

    Raises UnencodableEvent when `at` is naive, an identifier holds a NUL character, or the payload holds
    anything but strings, integers, booleans, None, lists and dicts with string keys.
    """
    if event.at.tzinfo is None:
        raise UnencodableEvent(f"at of {event.kind} is {event.at!r}: it must have a time zone")
    if "\0" in event.subject_id or "\0" in event.correlation_id:
        raise UnencodableEvent(f"an identifier of {event.kind} holds a NUL character: it must be plain text")
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    actor = str(event.actor)
    payload = canonical_json(event.payload)
    digest = digest_of(
        at=at,
        kind=event.kind,
        actor=actor,
        subject_type=event.subject_type,
        subject_id=event.subject_id,
        correlation_id=event.correlation_id,
        payload=payload,
    )
    return {
        "at": at,
        "kind": event.kind,
        "actor": actor,
        "subject_type": event.subject_type,
        "subject_id": event.subject_id,
        "correlation_id": event.correlation_id,
        "payload": payload,
        "digest": digest,
    }


def digest_of(
    *, at: str, kind: str, actor: str, subject_type: str, subject_id: str, correlation_id: str, payload: str
) -> str:
    """This will compute the digest of a stored event: SHA-256, in hexadecimal, over its canonical JSON.

    `at` and `payload` are the stored texts, as in `EncodedEvent`; the payload enters as a string, so that no
    reader has to parse it to check it.
    """
    fields = {
        "actor": actor,
        "at": at,
        "correlation_id": correlation_id,
        "kind": kind,
        "payload": payload,
        "subject_id": subject_id,
        "subject_type": subject_type,
    }
    return hashlib.sha256(orjson.dumps(fields, option=_CANONICAL)).hexdigest()


def canonical_json(value: Mapping[str, object]) -> str:
    """This will write a payload down in its one canonical form.

    >>> canonical_json({"b": [1, None], "a": "é"})
    '{"a":"é","b":[1,null]}'

    Raises UnencodableEvent when a value has no canonical form.
    """
    try:
        text = orjson.dumps(value, option=_CANONICAL).decode()
    except TypeError as error:
        raise UnencodableEvent(f"payload has no canonical form: {error}") from error
    _refuse_ambiguous(value)
    return text


def _refuse_ambiguous(payload: Mapping[str, object]) -> None:
    waiting: list[object] = [payload]
    for value in waiting:
        if isinstance(value, _SCALARS):
            continue
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, _SEQUENCES):
            waiting.extend(value)
        else:
            raise UnencodableEvent(
                f"payload holds {value!r} of type {type(value).__name__}: "
                "write it as a string, an integer, a boolean, None, a list or a dict"
            )
