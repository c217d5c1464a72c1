"""What a schedule waits for before it starts something: the reasons, their words, and which one holds up what is next.

A due time is no run before it starts, so no step waits for it: its schedule does. See docs/adr/0019-schedules.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from automation.schedule.decide import FireState, Reason, exclusion
from automation.schedule.exclusions import DaysOff
from automation.schedule.rule import Busy, Rule

_MOST_DAYS = 1_100
"""So many excluded days in a row are looked at: three years without an open day have no end in sight."""


class ScheduleWait(StrEnum):
    """Why a schedule does not start anything now."""

    TIME = "time"
    JITTER = "jitter"
    START = "start"
    CALENDAR = "calendar"
    OVERLAP = "overlap"
    BACKFILL = "backfill"
    SCHEDULER = "scheduler"
    PAUSED = "paused"
    EXHAUSTED = "exhausted"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Words:
    """`says` completes "the schedule ...", `ends_when` completes "it goes on when ..."; `{}` is the object's name."""

    object_kind: str
    says: str
    ends_when: str


WORDS: Mapping[ScheduleWait, Words] = {
    ScheduleWait.TIME: Words("instant", "is due next at {}", "that instant has come"),
    ScheduleWait.JITTER: Words("instant", "is due, and its jitter puts it off until {}", "that instant has come"),
    ScheduleWait.START: Words("instant", "is not due before its `start`, {}", "that instant has come"),
    ScheduleWait.CALENDAR: Words(
        "calendar", "is kept back by the days off of {}", "its first due time on another day has come"
    ),
    ScheduleWait.OVERLAP: Words("run", "holds a due time in its buffer until the run {} has ended", "the run {} ends"),
    ScheduleWait.BACKFILL: Words(
        "backfill", "has as many runs of its backfill {} under way as it may", "one of the runs of the backfill {} ends"
    ),
    ScheduleWait.SCHEDULER: Words(
        "process", "has something due that a {} has to take up", "a {} takes it up: at once, if one runs"
    ),
    ScheduleWait.PAUSED: Words("actor", "is paused by {}", "somebody resumes the schedule"),
    ScheduleWait.EXHAUSTED: Words("timing", "has no due time left in {}", "somebody changes when it is due"),
    ScheduleWait.ENDED: Words("schedule", "{} has ended", "somebody makes it again"),
}
_MEANWHILE: Mapping[Busy, str] = {
    Busy.SKIP: "the due time is skipped",
    Busy.BUFFER_ONE: "the due time waits for its end, unless another one does already",
    Busy.BUFFER_ALL: "the due time waits for its end",
    Busy.CANCEL_OTHER: "that run is cancelled",
}
_LEFT_OUT: Mapping[Reason, str] = {
    Reason.MISFIRE: "was skipped: nobody recorded it in time, and its `misfire` does not make it up",
    Reason.WINDOW: "was skipped: it was found later than its `window` allows",
    Reason.CALENDAR: "was skipped: the days off of {} exclude it",
    Reason.OVERLAP: "was skipped: an earlier run was under way",
    Reason.REFUSED: "was refused: {}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A reason with its object; `due_at` is the due time it holds up, `until` when it is over by itself."""

    reason: ScheduleWait
    name: str
    due_at: datetime | None = None
    until: datetime | None = None

    @property
    def says(self) -> str:
        """This will put the reason into words."""
        return WORDS[self.reason].says.replace("{}", self.name)

    @property
    def ends_when(self) -> str:
        """This will say what ends it."""
        return WORDS[self.reason].ends_when.replace("{}", self.name)


def next_hold(rule: Rule, *, due_at: datetime, seed: str, days_off: Sequence[DaysOff], now: datetime) -> Hold:
    """This will say what the next due time of a schedule waits for."""
    calendar = exclusion(rule, due_at=due_at, days_off=days_off)
    if calendar is not None:
        opens_at = _first_open(rule, due_at=due_at, days_off=days_off)
        until = None if opens_at is None else rule.fire_at(opens_at, seed=seed)
        return Hold(reason=ScheduleWait.CALENDAR, name=calendar, due_at=due_at, until=until)
    fire_at = rule.fire_at(due_at, seed=seed)
    if fire_at <= now:
        return Hold(reason=ScheduleWait.SCHEDULER, name="scheduler", due_at=due_at)
    if due_at <= now:
        return Hold(reason=ScheduleWait.JITTER, name=_text(fire_at), due_at=due_at, until=fire_at)
    if rule.starts_at is not None and now < rule.starts_at:
        return Hold(reason=ScheduleWait.START, name=_text(rule.starts_at), due_at=due_at, until=fire_at)
    return Hold(reason=ScheduleWait.TIME, name=_text(fire_at), due_at=due_at, until=fire_at)


def meanwhile(busy: Busy) -> str:
    """This will say what comes of a due time while an earlier run is under way; nothing where that is allowed."""
    return _MEANWHILE.get(busy, "")


def told(*, state: str, reason: str, about: str) -> str:
    """This will say what has become of a due time.

    >>> told(state="skipped", reason="calendar", about="holidays-de")
    'was skipped: the days off of holidays-de exclude it'
    """
    if state in (FireState.SKIPPED, FireState.REFUSED) and Reason(reason) in _LEFT_OUT:
        return _LEFT_OUT[Reason(reason)].replace("{}", about)
    return {
        FireState.DUE: "is written down, and a scheduler has to take it up",
        FireState.BUFFERED: "waits in the buffer",
        FireState.STARTED: "started a run",
        FireState.SENDING: "is being sent as a Celery task",
        FireState.SENT: "was sent as a Celery task",
    }.get(FireState(state), state)


def _first_open(rule: Rule, *, due_at: datetime, days_off: Sequence[DaysOff]) -> datetime | None:
    """The first later due time that no calendar excludes; a day is excluded as a whole."""
    for following in _firsts_of_days(rule, after=due_at):
        if exclusion(rule, due_at=following, days_off=days_off) is None:
            return following
    return None


def _firsts_of_days(rule: Rule, *, after: datetime) -> Iterable[datetime]:
    for _ in range(_MOST_DAYS):
        day = after.astimezone(rule.zone)
        midnight = (day + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        found = rule.next_after(midnight.astimezone(UTC) - timedelta(microseconds=1))
        if found is None:
            return
        yield found
        after = found


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")
