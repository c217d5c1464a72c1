"""The statements of events as typed functions: publish, ask, receive; it decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypedDict
from uuid import UUID

from audit.events import EncodedEvent
from workflows import statements
from workflows.core.correlation import Choice
from workflows.event_models import EventWaitState
from workflows.store import dump

statements.add_file(package="workflows", name="events.sql")


class EventRow(TypedDict):
    """An event to store. `place` is its place in its batch, `trail` is recorded with it."""

    place: int
    id: str
    source: str
    event_id: str
    type: str
    key: str
    subject: str
    time: str | None
    data: object
    attributes: object
    ttl_s: float
    trail: EncodedEvent


class WaitRow(TypedDict):
    """What a step waits for."""

    run_id: UUID
    workflow: str
    step: str
    index: int
    round: int
    type: str
    key: str
    source: str
    match: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class OpenWait:
    """A step that waits for an event; `index` -1: not an item."""

    run_id: UUID
    step: str
    index: int
    type: str
    key: str
    source: str

    @property
    def item(self) -> int | None:
        """This will give the item that waits, if it is one."""
        return None if self.index < 0 else self.index


class Asked(NamedTuple):
    """What has come of a wait so far."""

    id: int
    state: str
    event: UUID | None
    since: datetime


def publish(events: Sequence[EventRow], *, actor: str) -> frozenset[UUID]:
    """This will store events that are new, in the caller's transaction; gives which."""
    rows = statements.run("publish_events", {"events": dump(events), "actor": actor})
    return frozenset(rows[0][0] or ())


def find_waits(kinds: Sequence[tuple[str, str]]) -> Sequence[OpenWait]:
    """This will give the steps that wait for events of these types and keys."""
    params = {"types": [kind[0] for kind in kinds], "keys": [kind[1] for kind in kinds]}
    return [OpenWait(*row) for row in statements.run("find_event_waits", params)]


def ask(wait: WaitRow) -> Asked | None:
    """This will write down what a step waits for, or find it written; None when its run has ended."""
    rows = statements.run("ask_for_event", dict(wait))
    return Asked(*rows[0]) if rows else None


def try_lock(*, event_type: str, key: str) -> bool:
    """This will tell whether nobody is publishing an event of this type and key, and keep it so in this transaction."""
    return bool(statements.run("try_event_lock", {"type": event_type, "key": key})[0][0])


def end(wait_id: int, *, state: EventWaitState, choice: Choice, trail: EncodedEvent | None) -> bool:
    """This will end a wait with what was chosen, or with nothing; False when it has ended before."""
    params = {
        "id": wait_id,
        "state": state.value,
        "event": None if choice.event is None else choice.event.row,
        "passed_over": choice.passed_over,
        "problem": choice.problem[:500],
        "trail": None if trail is None else dump([trail]),
    }
    return int(statements.run("end_event_wait", params)[0][0]) == 1
