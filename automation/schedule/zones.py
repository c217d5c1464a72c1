"""Turns wall times into instants, with a rule for those that a zone's clock never shows, and those it shows twice.

A zone's offset is constant between two changes. Inside such a stretch wall times and instants run in step; at a change
forwards some wall times do not exist (a gap), at one backwards some exist twice (an overlap).
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

NextWall = Callable[[datetime], datetime | None]
"""Gives the first wall time (naive, whole seconds) after another one, or None when there is no more."""

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


class Gap(StrEnum):
    """What becomes of a wall time that the clock jumps over."""

    SKIP = "skip"
    AFTER = "after"
    """It is due at the first instant after the jump; several of them together once."""


class Overlap(StrEnum):
    """What becomes of a wall time that the clock shows twice."""

    ONCE = "once"
    """Only the first one counts."""
    BOTH = "both"


def instants(next_wall: NextWall, *, after: datetime, zone: tzinfo, gap: Gap, overlap: Overlap) -> Iterator[datetime]:
    """This will give the instants (UTC) of wall times after an instant: strictly increasing, none twice."""
    start = after.astimezone(UTC)
    latest = start
    wall_after = _local(start, zone)
    while (wall := next_wall(wall_after)) is not None:
        offset = _offset(start, zone)
        found = (wall - offset).replace(tzinfo=UTC)
        change = _next_change(start, until=found, zone=zone)
        if change is None:
            start, wall_after = found, wall
            if overlap is Overlap.BOTH or not found.astimezone(zone).fold:
                latest = found
                yield found
            continue
        clock_after = _local(change, zone)
        if gap is Gap.AFTER and wall < clock_after and change > latest:
            latest = change
            yield change
            wall_after = clock_after  # the wall time right after the jump is the same instant
        else:
            wall_after = clock_after - _SECOND
        start = change


def _local(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def _offset(instant: datetime, zone: tzinfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _next_change(start: datetime, *, until: datetime, zone: tzinfo) -> datetime | None:
    """The first instant in (start, until] from which on another offset holds."""
    offset = _offset(start, zone)
    low = start
    while low < until:
        high = min(low + _DAY, until)
        if _offset(high, zone) != offset:
            return _edge(low, high, offset=offset, zone=zone)
        low = high
    return None


def _edge(low: datetime, high: datetime, *, offset: timedelta, zone: tzinfo) -> datetime:
    low = low.replace(microsecond=0)
    while high - low > _SECOND:
        middle = low + (high - low) // (2 * _SECOND) * _SECOND
        if middle <= low:
            middle = low + _SECOND
        if _offset(middle, zone) == offset:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
