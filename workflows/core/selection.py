"""Which dead letters somebody means: by where, when and how they failed, or by number; it reads nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from uuid import UUID

from workflows.core.problems import suggestion


class SelectionInvalid(ValueError):
    """It does not say which; `field` is what is wrong, empty for the whole."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All of what is given must hold. `message` is a part of the message; instants are aware.

    `created_after` is inclusive, `created_before` is not. Raises SelectionInvalid when nothing is given: what means
    everything by mistake cannot be undone.
    """

    workflow: str | None = None
    step: str | None = None
    kind: str | None = None
    incident: str | None = None
    run: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    message: str | None = None
    ids: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if all(getattr(self, field.name) is None for field in fields(self)):
            raise SelectionInvalid("", f"says nothing: give at least one of {', '.join(NAMES)}")

    def words(self) -> Mapping[str, object]:
        """This will give what was given, as the audit trail keeps it."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _word(value) for name, value in given.items() if value is not None}


NAMES = tuple(field.name for field in fields(Selection))


def parse(pairs: Mapping[str, str]) -> Selection:
    """This will read a selection from texts, as a command line has them. Raises SelectionInvalid.

    >>> parse({"workflow": "shipping", "ids": "3,5"}).ids
    (3, 5)
    """
    for name in pairs:
        if name not in NAMES:
            raise SelectionInvalid(name, f"is nothing to select by: {suggestion(name, known=NAMES, noun='name')}")
    texts = {name: pairs.get(name) for name in ("workflow", "step", "kind", "incident", "message")}
    return Selection(
        **texts,
        run=read_run(pairs.get("run"), name="run"),
        created_after=read_instant("created_after", pairs.get("created_after")),
        created_before=read_instant("created_before", pairs.get("created_before")),
        ids=_ids(pairs.get("ids")),
    )


def read_run(text: str | None, *, name: str) -> UUID | None:
    """This will read the id of a run; `name` is the word it stands at. Raises SelectionInvalid."""
    try:
        return None if text is None else UUID(text)
    except ValueError:
        raise SelectionInvalid(name, f"{text!r} is no id of a run") from None


def _ids(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise SelectionInvalid("ids", f"{text!r} must be numbers joined by commas") from None


def read_instant(name: str, text: str | None) -> datetime | None:
    """This will read an instant, in UTC where it has no offset. Raises SelectionInvalid."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SelectionInvalid(name, f"{text!r} is no instant of ISO 8601, such as 2026-03-01T08:00:00Z") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _word(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else str(value)
