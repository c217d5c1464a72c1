"""The four ways to say when: cron, an interval, given instants, the sun; each gives its next instant."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

from automation.schedule.zones import Gap, NextWall, Overlap, instants


class Timing(Protocol):
    """When a schedule is due."""

    def next_after(self, after: datetime) -> datetime | None:
        """This will give the first due time (UTC) after an instant, or None when there is no more."""


@dataclass(frozen=True, slots=True)
class Walls:
    """Wall times of a zone."""

    next_wall: NextWall
    zone: tzinfo
    gap: Gap
    overlap: Overlap

    def next_after(self, after: datetime) -> datetime | None:
        """This will give the next instant at which the zone's clock shows one of them."""
        return next(self._walk(after), None)

    def _walk(self, after: datetime) -> Iterator[datetime]:
        return instants(self.next_wall, after=after, zone=self.zone, gap=self.gap, overlap=self.overlap)


@dataclass(frozen=True, slots=True)
class Every:
    """Each so many seconds, counted from an instant; no zone's clock has a say in it."""

    period: timedelta
    anchor: datetime

    def next_after(self, after: datetime) -> datetime | None:
        """This will give the next one; the anchor itself is none."""
        if after < self.anchor:
            return (self.anchor + self.period).astimezone(UTC)
        return (self.anchor + ((after - self.anchor) // self.period + 1) * self.period).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Instants:
    """These and no others."""

    at: tuple[datetime, ...]

    def next_after(self, after: datetime) -> datetime | None:
        """This will give the next of them."""
        return min((one.astimezone(UTC) for one in self.at if one > after), default=None)
