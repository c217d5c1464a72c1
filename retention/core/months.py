"""Months as ranges of keys: instants for times, UUIDs of version 7 for ids that carry their time; pure."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

_MONTHS = 12


class KeyKind(StrEnum):
    """What a table is divided by."""

    TIME = "time"
    UUID7 = "uuid7"


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of UTC.

    >>> str(Month(2026, 12)), str(Month(2026, 12).plus(2)), str(Month(2026, 1).plus(-1))
    ('2026_12', '2027_02', '2025_12')
    """

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}_{self.number:02}"

    @classmethod
    def of(cls, instant: datetime) -> "Month":
        """This will give the month an aware instant lies in."""
        utc = instant.astimezone(UTC)
        return cls(utc.year, utc.month)

    @property
    def begins_at(self) -> datetime:
        """This will give its first instant; its end is the beginning of the next."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    def plus(self, months: int) -> "Month":
        """This will give the month so many later, or earlier."""
        year, number = divmod(self.year * _MONTHS + self.number - 1 + months, _MONTHS)
        return Month(year, number + 1)


def ahead(*, start: Month, count: int) -> Iterator[Month]:
    """This will give `count` months from `start` on."""
    return (start.plus(number) for number in range(count))


def lower_bound(instant: datetime, *, kind: KeyKind) -> str:
    """This will write the smallest key that is not before an instant, as a literal of PostgreSQL takes it.

    >>> lower_bound(Month(2026, 11).begins_at, kind=KeyKind.UUID7)
    '01a19467-e800-0000-0000-000000000000'
    >>> lower_bound(Month(2026, 11).begins_at, kind=KeyKind.TIME)
    '2026-11-01T00:00:00+00:00'
    """
    if kind is KeyKind.TIME:
        return instant.astimezone(UTC).isoformat()
    return str(uuid.UUID(int=int(instant.timestamp() * 1000) << 80))


def lowest(kind: KeyKind) -> str:
    """This will write a key that none is below."""
    return "-infinity" if kind is KeyKind.TIME else str(uuid.UUID(int=0))


def instant_of(bound: str, *, kind: KeyKind) -> datetime:
    """This will read a bound back.

    >>> instant_of("01a19467-e800-0000-0000-000000000000", kind=KeyKind.UUID7)
    datetime.datetime(2026, 11, 1, 0, 0, tzinfo=datetime.timezone.utc)
    >>> instant_of("2026-11-01 00:00:00+00", kind=KeyKind.TIME)
    datetime.datetime(2026, 11, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if kind is KeyKind.TIME:
        return datetime.fromisoformat(bound).astimezone(UTC)
    return datetime.fromtimestamp((uuid.UUID(bound).int >> 80) / 1000, tz=UTC)
