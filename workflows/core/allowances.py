"""How long a step may wait and take besides its single attempts, and when that is over; pure, it reads no clock.

`timeout` of a step is a length (of one attempt) or names several, with the words of Temporal's activities.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypedDict

from workflows.core.durations import parse_duration
from workflows.core.pausing import PauseRule, Standpoint, covers

START_TO_CLOSE = "start_to_close"
SCHEDULE_TO_START = "schedule_to_start"
SCHEDULE_TO_CLOSE = "schedule_to_close"
HEARTBEAT = "heartbeat"
BEATING = "python"
"""What a step uses that can give a sign of life by itself."""
KEYS = (START_TO_CLOSE, SCHEDULE_TO_START, SCHEDULE_TO_CLOSE, HEARTBEAT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a step may take besides the time of one attempt, in seconds; None: as long as it takes.

    `schedule_to_start_s` is between ready and the begin of the first attempt, `schedule_to_close_s` between ready and
    the end of the last, all attempts and pauses between them included, `heartbeat_s` between two signs of life.
    """

    schedule_to_start_s: float | None = None
    schedule_to_close_s: float | None = None
    heartbeat_s: float | None = None

    @property
    def is_scheduled(self) -> bool:
        """This will tell whether its time runs from the moment it is ready."""
        return self.schedule_to_start_s is not None or self.schedule_to_close_s is not None


UNBOUNDED = Allowance()
"""That of a step which may take any time."""


class Overrun(StrEnum):
    """Which time of a step is over."""

    START = SCHEDULE_TO_START
    CLOSE = SCHEDULE_TO_CLOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """Until when a step must have begun, and until when it must have ended; None: there is no such instant."""

    start_at: datetime | None = None
    end_at: datetime | None = None


class EntryTimes(TypedDict, total=False):
    """How long a first activation may take until it must have begun, and ended."""

    to_start_s: float
    to_close_s: float


ANY_TIME = Latest()
"""Of a step that may begin and end at any time."""


@dataclass(frozen=True, slots=True)
class Fate:
    """When a step fails if nothing happens before: `unless` it has begun, or ended."""

    at: datetime
    unless: str

    @property
    def words(self) -> str:
        """This will say it, behind what the step waits for."""
        return f"it fails at {self.at:%Y-%m-%d %H:%M:%S} unless it has {self.unless} by then"


def fate(latest: Latest, *, has_begun: bool) -> Fate | None:
    """This will say when the time of a step is over next; None where it has any time."""
    ends = [] if latest.end_at is None else [Fate(latest.end_at, "ended")]
    if latest.start_at is not None and not has_begun:
        ends.append(Fate(latest.start_at, "begun"))
    return min(ends, key=lambda end: end.at, default=None)


def parse_timeouts(value: Any) -> Mapping[str, float]:  # Any: JSON of a document
    """This will read a `timeout`, in seconds by its keys. Raises DurationInvalid.

    >>> parse_timeouts("90s"), parse_timeouts({"schedule_to_start": "5s"}), parse_timeouts(None)
    ({'start_to_close': 90.0}, {'schedule_to_start': 5.0}, {})
    """
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {key: parse_duration(length) for key, length in value.items()}
    return {START_TO_CLOSE: parse_duration(value)}


def allowance_of(timeouts: Mapping[str, float], *, uses: str, has_items: bool) -> Allowance:
    """This will build the allowance of a step, from `defaults` only what has a meaning for it.

    What calls no function cannot beat; what has items has no time from when it is ready.
    """
    return Allowance(
        schedule_to_start_s=None if has_items else timeouts.get(SCHEDULE_TO_START),
        schedule_to_close_s=None if has_items else timeouts.get(SCHEDULE_TO_CLOSE),
        heartbeat_s=timeouts.get(HEARTBEAT) if uses == BEATING else None,
    )


def latest_of(allowance: Allowance, *, ready_at: datetime) -> Latest:
    """This will say until when a step that is ready must have begun and ended."""
    return Latest(
        start_at=_after(ready_at, seconds=allowance.schedule_to_start_s),
        end_at=_after(ready_at, seconds=allowance.schedule_to_close_s),
    )


def overrun(latest: Latest, *, has_begun: bool, now: datetime) -> Overrun | None:
    """This will say which time of a step is over, if any; once it has begun, its start is never too late.

    >>> noon = datetime(2026, 1, 1, 12)
    >>> overrun(Latest(start_at=noon), has_begun=False, now=noon).value
    'schedule_to_start'
    >>> overrun(Latest(start_at=noon), has_begun=True, now=noon) is None
    True
    """
    if latest.end_at is not None and latest.end_at <= now:
        return Overrun.CLOSE
    if latest.start_at is not None and latest.start_at <= now and not has_begun:
        return Overrun.START
    return None


def stood_still(
    ended: PauseRule, *, others: tuple[PauseRule, ...], at: Standpoint, ready_at: datetime, now: datetime
) -> timedelta:
    """This will give the time that a pause which ends now adds to what a step may take that waited under it.

    What another pause in force covers as well is added when that one ends, so no moment counts twice.
    """
    if not covers(ended, at=at):
        return timedelta(0)
    until = min([now, *(rule.paused_at for rule in others if covers(rule, at=at))])
    return max(until - max(ended.paused_at, ready_at), timedelta(0))


def _after(ready_at: datetime, *, seconds: float | None) -> datetime | None:
    return None if seconds is None else ready_at + timedelta(seconds=seconds)
