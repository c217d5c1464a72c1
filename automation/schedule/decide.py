"""What becomes of a due time that was recorded: the one place where misfire, exclusion and overlap are judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from automation.schedule.exclusions import DaysOff
from automation.schedule.rule import ON_TIME, Busy, Misfire, Rule


class Cause(StrEnum):
    """Why there is a fire."""

    SCHEDULE = "schedule"
    BY_HAND = "by_hand"
    BACKFILL = "backfill"


class FireState(StrEnum):
    """What has become of a fire."""

    DUE = "due"
    BUFFERED = "buffered"
    STARTED = "started"
    SENDING = "sending"
    """A Celery task that no workflow stands behind; its message may be on its way."""
    SENT = "sent"
    SKIPPED = "skipped"
    REFUSED = "refused"


class Reason(StrEnum):
    """Why a due time did not start anything."""

    NONE = ""
    MISFIRE = "misfire"
    WINDOW = "window"
    CALENDAR = "calendar"
    OVERLAP = "overlap"
    REFUSED = "refused"


class Act(StrEnum):
    """What is to be done with a fire."""

    START = "start"
    CANCEL_AND_START = "cancel_and_start"
    BUFFER = "buffer"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done, and why; `about` names what stood in the way."""

    act: Act
    reason: Reason = Reason.NONE
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A recorded fire. `is_released`: it was buffered, and its turn has come."""

    due_at: datetime
    fire_at: datetime
    recorded_at: datetime
    cause: Cause
    is_released: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What else matters: runs of the schedule under way, fires in its buffer, and its days off."""

    running: int = 0
    buffered: int = 0
    days_off: Sequence[DaysOff] = ()


def judge(rule: Rule, *, fire: Candidate, around: Surroundings, now: datetime) -> Verdict:
    """This will say what becomes of a fire. One by hand asks for no calendar, one of a backfill for nothing at all."""
    if fire.cause is Cause.BACKFILL:
        return Verdict(Act.START)
    if fire.cause is Cause.SCHEDULE and not fire.is_released:
        verdict = _missed(rule, fire=fire, now=now) or _excluded(rule, due_at=fire.due_at, days_off=around.days_off)
        if verdict is not None:
            return verdict
    return _overlapping(rule.busy, around=around, is_released=fire.is_released)


def exclusion(rule: Rule, *, due_at: datetime, days_off: Sequence[DaysOff]) -> str | None:
    """This will name the calendar that excludes a due time (`exclude`: the schedule's own), or give None."""
    day = due_at.astimezone(rule.zone).date()
    if rule.exclude is not None and rule.exclude.excludes(day):
        return "exclude"
    return next((one.name for one in days_off if one.excludes(day)), None)


def _excluded(rule: Rule, *, due_at: datetime, days_off: Sequence[DaysOff]) -> Verdict | None:
    found = exclusion(rule, due_at=due_at, days_off=days_off)
    return None if found is None else Verdict(Act.SKIP, Reason.CALENDAR, found)


def _missed(rule: Rule, *, fire: Candidate, now: datetime) -> Verdict | None:
    late = fire.recorded_at - fire.fire_at
    if late <= ON_TIME:
        return None
    if late > rule.window:
        return Verdict(Act.SKIP, Reason.WINDOW)
    if rule.misfire is Misfire.ALL:
        return None
    if rule.misfire is Misfire.SKIP:
        return Verdict(Act.SKIP, Reason.MISFIRE)
    following = rule.next_after(fire.due_at)
    is_latest = following is None or following > max(now, fire.recorded_at)
    return None if is_latest else Verdict(Act.SKIP, Reason.MISFIRE, "a later one stands for it")


def _overlapping(busy: Busy, *, around: Surroundings, is_released: bool) -> Verdict:
    if busy is Busy.ALLOW or not (around.running or (around.buffered and not is_released)):
        return Verdict(Act.START)
    match busy:
        case Busy.CANCEL_OTHER:
            return Verdict(Act.CANCEL_AND_START)
        case Busy.BUFFER_ALL:
            return Verdict(Act.BUFFER, Reason.OVERLAP)
        case Busy.BUFFER_ONE if around.buffered == 0 or is_released:
            return Verdict(Act.BUFFER, Reason.OVERLAP)
        case _:
            return Verdict(Act.SKIP, Reason.OVERLAP)
