"""How an event and a step that waits for it find each other: by type and key, in its time, the oldest first; pure.

What a step receives depends on the events and on when it began to wait, and not on when somebody looks: an event that
came first is kept until it expires, and one that comes while the step waits counts however short it lives.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from workflows.core.definition import JsonObject, JsonValue

MAX_TYPE = 200
MAX_KEY = 200
_MAX_OBJECT = 300
Match = Callable[["Event"], bool]


class MatchFailed(Exception):
    """A `match` gave neither true nor false for an event; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event as somebody publishes it: the attributes of CloudEvents 1.0, and the key that says whom it is about.

    `source` and `id` together are its name: the same again is a duplicate. `ttl_s` is how long it is kept for those who
    have not begun to wait yet (None: as the setting says). `attributes` are all others.
    """

    id: str
    source: str
    type: str
    key: str = ""
    subject: str = ""
    time: datetime | None = None
    data: JsonValue = None
    attributes: Mapping[str, str | int | bool] = field(default_factory=dict)
    ttl_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event that was published. `row` is its own id here, `id` the one that its source gave it."""

    row: UUID
    id: str
    source: str
    type: str
    key: str
    subject: str
    time: datetime | None
    data: JsonValue
    attributes: JsonObject
    received_at: datetime
    expires_at: datetime

    @property
    def document(self) -> JsonObject:
        """This will give what expressions and the output of a step see of it."""
        return {
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "key": self.key,
            "subject": self.subject,
            "time": None if self.time is None else self.time.isoformat(),
            "data": self.data,
            "attributes": self.attributes,
            "received_at": self.received_at.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a step waits for: since when and until when (None: however long it takes). No source: any will do."""

    type: str
    key: str
    source: str = ""
    since: datetime
    until: datetime | None = None

    def is_met_by(self, event: Event) -> bool:
        """This will tell whether an event is of its kind and of its time."""
        return (
            (event.type, event.key) == (self.type, self.key)
            and self.source in ("", event.source)
            and event.expires_at > self.since
            and (self.until is None or event.received_at < self.until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The event that a step receives, if there is one; how many its `match` passed over, and why the latest of them."""

    event: Event | None
    passed_over: int = 0
    problem: str = ""


def choose(wanted: Wanted, *, events: Iterable[Event], matches: Match) -> Choice:
    """This will choose the oldest event that fits; `events` may come in any order, and twice.

    An event on which `match` cannot be evaluated does not fit, and the choice says why.
    """
    passed_over, problem = 0, ""
    fitting = {event.row: event for event in events if wanted.is_met_by(event)}
    for event in sorted(fitting.values(), key=lambda event: (event.received_at, event.row)):
        try:
            if matches(event):
                return Choice(event=event, passed_over=passed_over, problem=problem)
        except MatchFailed as error:
            problem = f"event {event.id} of {event.source}: {error}"
        passed_over += 1
    return Choice(event=None, passed_over=passed_over, problem=problem)


def key_of(value: JsonValue) -> str:
    """This will give the text of a correlation key. Raises ValueError when nothing can be correlated by it.

    >>> key_of(42), key_of("order-7")
    ('42', 'order-7')
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"a key is text or a whole number, not {value!r}"[:200])
    text = str(value)
    if not 0 < len(text) <= MAX_KEY:
        raise ValueError(f"a key has 1 to {MAX_KEY} characters, this has {len(text)}")
    return text


def object_of(event_type: str, *, key: str) -> str:
    """This will name what a step waits for.

    >>> object_of("payment.settled", key="order-7")
    'payment.settled order-7'
    """
    text = f"{event_type} {key}"
    return text if len(text) <= _MAX_OBJECT else f"{text[: _MAX_OBJECT - 3]}..."
