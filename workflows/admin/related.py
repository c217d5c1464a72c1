"""What other apps know of an event, for its page: whence it came, what it started, where it went. It knows no app."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from workflows.models import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """A row of another app: what it is to the event, its text and state, and its page, such as `workflows_run`."""

    what: str
    text: str
    page: str
    key: object
    state: str = ""


Finder: TypeAlias = Callable[[UUID, Mapping[str, object]], Iterable[Related]]
"""Is told the id of an event and its further attributes."""

_finders: list[Finder] = []


def register(finder: Finder) -> None:
    """This will have a finder asked for every event that is shown. For the `ready` of an app."""
    if finder not in _finders:
        _finders.append(finder)


def of(event: Event) -> Sequence[Related]:
    """This will list what is related to an event."""
    return [one for finder in _finders for one in finder(event.id, event.attributes)]
