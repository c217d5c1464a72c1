"""Everything one schedule says, as frozen values: when it is due and what then matters; it decides nothing."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from automation.schedule.cron import crontab_walls, is_steady, walls
from automation.schedule.exclusions import DaysOff, read_days_off
from automation.schedule.sun import Solar
from automation.schedule.timing import Every, Instants, Timing, Walls
from automation.schedule.zones import Gap, Overlap
from workflows.core.durations import parse_duration

ON_TIME = timedelta(seconds=60)
"""Recorded later than this after its time, a due time counts as missed."""

TIMINGS = ("cron", "every", "at", "solar", "crontab")
"""The keys that say when; exactly one of them is there. `crontab` is only made from django-celery-beat's tables."""
_WINDOW = "1d"


class Misfire(StrEnum):
    """What becomes of due times that passed while no scheduler ran."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class Busy(StrEnum):
    """What becomes of a due time while an earlier run of the schedule is under way (`overlap`)."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    BUFFER_ALL = "buffer_all"
    CANCEL_OTHER = "cancel_other"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A schedule as it was written; instants are aware."""

    timing: Timing
    zone: ZoneInfo
    misfire: Misfire = Misfire.LATEST
    window: timedelta = timedelta(days=1)
    busy: Busy = Busy.SKIP
    jitter: timedelta = timedelta()
    calendars: tuple[str, ...] = ()
    exclude: DaysOff | None = None
    pause_after: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    priority: int = 0

    def next_after(self, after: datetime) -> datetime | None:
        """This will give the first due time after an instant, within start and end; exclusions do not count here."""
        if self.starts_at is not None and after < self.starts_at:
            after = self.starts_at - timedelta(microseconds=1)
        found = self.timing.next_after(after)
        return None if found is None or (self.ends_at is not None and found > self.ends_at) else found

    def fire_at(self, due_at: datetime, *, seed: str) -> datetime:
        """This will give when a due time fires: the jitter of one due time is always the same.

        `seed` names the schedule, so that schedules with one timing spread.
        """
        if not self.jitter:
            return due_at
        digest = hashlib.sha256(f"{seed}\0{due_at.astimezone(UTC).isoformat()}".encode()).digest()
        return due_at + self.jitter * (int.from_bytes(digest[:6]) / 2**48)


def read_rule(document: Mapping[str, Any], *, anchor: datetime) -> Rule:  # Any: it was checked before it was stored
    """This will build the rule of a checked document; intervals without `start` count from `anchor`."""
    zone = ZoneInfo(document.get("timezone", "UTC"))
    pause_after = document.get("pause_after")
    exclude = document.get("exclude")
    return Rule(
        timing=_timing(document, zone=zone, anchor=anchor),
        zone=zone,
        misfire=Misfire(document.get("misfire", Misfire.LATEST)),
        window=timedelta(seconds=parse_duration(document.get("window", _WINDOW))),
        busy=Busy(document.get("overlap", Busy.SKIP)),
        jitter=timedelta(seconds=parse_duration(document.get("jitter", 0))),
        calendars=tuple(document.get("calendars", ())),
        exclude=None if exclude is None else read_days_off(exclude),
        pause_after=None if pause_after is None else int(pause_after),
        starts_at=_instant(document.get("start"), zone=zone),
        ends_at=_instant(document.get("end"), zone=zone),
        priority=int(document.get("priority", 0)),
    )


def read_instant(text: str, *, zone: ZoneInfo) -> datetime:
    """This will read an instant in ISO 8601; without an offset it is a wall time of the zone. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)


def _instant(text: object, *, zone: ZoneInfo) -> datetime | None:
    return None if text is None else read_instant(str(text), zone=zone)


def _timing(document: Mapping[str, Any], *, zone: ZoneInfo, anchor: datetime) -> Timing:
    kind = next(key for key in TIMINGS if key in document)
    value = document[kind]
    match kind:
        case "cron":
            gap, overlap = _changes(document.get("dst", {}), is_steady_one=is_steady(value))
            return Walls(walls(value), zone, gap, overlap)
        case "crontab":
            is_steady_one = len(value["minute"]) == 60 or len(value["hour"]) == 24
            gap, overlap = _changes(document.get("dst", {}), is_steady_one=is_steady_one)
            return Walls(crontab_walls(value), zone, gap, overlap)
        case "every":
            start = _instant(document.get("start"), zone=zone)
            period = timedelta(seconds=parse_duration(value))
            # An interval that says when it starts is due then, too.
            return Every(period, anchor=anchor if start is None else start - period)
        case "at":
            texts = [value] if isinstance(value, str) else value
            return Instants(tuple(read_instant(text, zone=zone) for text in texts))
        case _:
            return Solar(value["event"], float(value["latitude"]), float(value["longitude"]))


def _changes(written: Mapping[str, str], *, is_steady_one: bool) -> tuple[Gap, Overlap]:
    """What recurs steadily follows real time through a change; what has its hour happens once on every day."""
    gap = Gap(written.get("gap", Gap.SKIP if is_steady_one else Gap.AFTER))
    overlap = Overlap(written.get("overlap", Overlap.BOTH if is_steady_one else Overlap.ONCE))
    return gap, overlap
