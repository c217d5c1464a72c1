"""What becomes of a variance: what a comparison that sees it, or does not, makes of its state; pure.

Nobody closes a variance by saying so. It is closed by a comparison that covered it and did not find it again.
"""

from dataclasses import dataclass
from enum import StrEnum


class VarianceState(StrEnum):
    """Where a variance stands."""

    PENDING = "pending"
    """It may still be on its way: younger than the grace."""
    OPEN = "open"
    REPAIRED = "repaired"
    """Its repair was carried out; the next comparison must agree."""
    ACCEPTED = "accepted"
    """Somebody said that it may stay as it is."""
    DISPUTED = "disputed"
    """Somebody says that it is wrong and talks to the other side."""
    CLOSED = "closed"

    @property
    def is_alive(self) -> bool:
        """This will tell whether it has not been closed."""
        return self is not VarianceState.CLOSED


class Turn(StrEnum):
    """What a comparison did to a variance."""

    FOUND = "found"
    """New, or older than its grace now."""
    SEEN = "seen"
    REOPENED = "reopened"
    CONFIRMED = "confirmed"
    """Repaired, and not found again."""
    VANISHED = "vanished"
    """Not found again, though nothing here repaired it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A variance as it stands: `is_same` tells whether what differs is what it was before.

    `is_covered`: its repair ended before this comparison began to read.
    """

    state: VarianceState
    is_same: bool = True
    is_covered: bool = True


def seen(known: Known | None, *, is_in_flight: bool) -> tuple[VarianceState, Turn]:
    """This will say what a variance becomes that a comparison has found.

    >>> seen(None, is_in_flight=False), seen(Known(state=VarianceState.REPAIRED), is_in_flight=False)
    ((<VarianceState.OPEN: 'open'>, <Turn.FOUND: 'found'>), (<VarianceState.OPEN: 'open'>, <Turn.REOPENED: 'reopened'>))
    """
    if known is None:
        return (VarianceState.PENDING if is_in_flight else VarianceState.OPEN), Turn.FOUND
    match known.state:
        case VarianceState.PENDING if not is_in_flight:
            return VarianceState.OPEN, Turn.FOUND
        case VarianceState.REPAIRED if known.is_covered:
            return VarianceState.OPEN, Turn.REOPENED
        case VarianceState.ACCEPTED if not known.is_same:
            return VarianceState.OPEN, Turn.REOPENED
        case VarianceState.CLOSED:
            return VarianceState.OPEN, Turn.REOPENED
        case _:
            return known.state, Turn.SEEN


def unseen(known: Known) -> tuple[VarianceState, Turn]:
    """This will say what a variance becomes that a comparison looked for and did not find."""
    if known.state is VarianceState.REPAIRED:
        return VarianceState.CLOSED, Turn.CONFIRMED
    return VarianceState.CLOSED, Turn.VANISHED


ANSWERS = frozenset({VarianceState.ACCEPTED, VarianceState.DISPUTED, VarianceState.OPEN})
"""What a person may make of a variance."""


def may_answer(state: VarianceState, wanted: VarianceState) -> bool:
    """This will tell whether a person may move a variance there: between open, accepted and disputed."""
    return state in ANSWERS and wanted in ANSWERS and state is not wanted
