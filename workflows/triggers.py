"""What starts runs by itself: sections of a definition's `on`, each looked after by an app that registers it here.

It turns the dependency round: this app publishes definitions, and knows nothing of schedules.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from audit.events import Actor
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.problems import Problem, path_to


class Trigger(Protocol):
    """One section of `on`."""

    def problems(self, value: JsonValue, *, at: str, document: JsonObject) -> Iterable[Problem]:
        """This will give what is wrong with the section, beyond its shape."""

    def published(self, *, workflow: str, value: JsonValue, actor: Actor, now: datetime) -> None:
        """This will store what the section says (None: it is not there), in the caller's transaction."""


_triggers: dict[str, Trigger] = {}


def register(section: str, trigger: Trigger) -> None:
    """This will have a section of `on` looked after; the latest registration counts."""
    _triggers[section] = trigger


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
