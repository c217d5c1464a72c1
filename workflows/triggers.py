"""What starts runs by itself: sections of a definition's `on`, each looked after by an app that registers it here.

It turns the dependency round: this app publishes definitions, and knows nothing of schedules.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from audit.events import Actor
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.problems import Problem, path_to


class Trigger(Protocol):
    """One section of `on`."""

    def problems(self, value: JsonValue, *, at: str, document: JsonObject) -> Iterable[Problem]:
        """This will give what is wrong with the section, beyond its shape."""

    def published(self, *, workflow: str, value: JsonValue, actor: Actor, now: datetime) -> None:
        """This will store what the section says (None: it is not there), in the caller's transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """An event that has just been published, by its row, and what it is."""

    row: UUID
    type: str
    source: str


class Listener(Protocol):
    """Who wants to know of events as they are published."""

    def __call__(self, events: Sequence[Occurrence], *, now: datetime) -> None:
        """This will write down what follows, in the caller's transaction; it starts nothing itself."""


_triggers: dict[str, Trigger] = {}
_listeners: list[Listener] = []


def register(section: str, trigger: Trigger) -> None:
    """This will have a section of `on` looked after; the latest registration counts."""
    _triggers[section] = trigger


def listen(listener: Listener) -> None:
    """This will have somebody be told of events; once, however often it is asked for."""
    if listener not in _listeners:
        _listeners.append(listener)


def occurred(events: Sequence[Occurrence], *, now: datetime) -> None:
    """This will tell of new events, inside the transaction that publishes them."""
    for listener in _listeners if events else ():
        listener(events, now=now)


def trigger_problems(document: JsonObject) -> Iterator[Problem]:
    """This will give what is wrong with `on`."""
    for section, trigger in _triggers.items():
        value = _sections(document).get(section)
        if value is not None:
            yield from trigger.problems(value, at=path_to("$.on", section), document=document)


def published(document: JsonObject, *, workflow: str, actor: Actor, now: datetime) -> None:
    """This will tell every trigger of a new version, inside the transaction that publishes it."""
    for section, trigger in _triggers.items():
        trigger.published(workflow=workflow, value=_sections(document).get(section), actor=actor, now=now)


def _sections(document: JsonObject) -> JsonObject:
    written = document.get("on")
    return written if isinstance(written, Mapping) else {}
