"""Which time a comparison is about, and what is still in flight; pure.

Both sides are read a margin wider than the window, so that a record one side dates just outside is found on both. Only
what lies inside is judged. What is younger than the grace may still be on its way: it is pending.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciliation.core.comparators import instant
from reconciliation.core.compare import Variance


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time that is judged, from `begins_at` (included) to `ends_at` (excluded), and what is read around it."""

    begins_at: datetime
    ends_at: datetime
    margin: timedelta = timedelta()

    @property
    def reads_from(self) -> datetime:
        """This will give from when on records are read."""
        return self.begins_at - self.margin

    @property
    def reads_to(self) -> datetime:
        """This will give up to when records are read."""
        return self.ends_at + self.margin

    def holds(self, at: datetime | None) -> bool:
        """This will tell whether a record of that time is judged; one without a time always is."""
        return at is None or self.begins_at <= at < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Where records say when they happened: the column of each side, and the zone where the text names none."""

    left: str
    right: str
    zone: str = "UTC"

    def time_of(self, variance: Variance) -> datetime | None:
        """This will give when it happened: the later of the two sides, None where no side says."""
        sides = ((variance.left, self.left), (variance.right, self.right))
        found = [instant(record.row.get(name), zone=self.zone) for record, name in sides if record is not None]
        return max((one for one in found if one is not None), default=None)


def is_in_flight(at: datetime | None, *, grace: timedelta, now: datetime) -> bool:
    """This will tell whether a record of that time may still be on its way; one without a time is not."""
    return at is not None and now - at < grace
