"""The due times to come, with local time, UTC and what is special about each; it promises nothing about overlap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from automation.schedule.decide import exclusion
from automation.schedule.exclusions import DaysOff
from automation.schedule.rule import Rule

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """A due time to come. `skipped_by` names the calendar that excludes it; `note` says how a clock change shows."""

    due_at: datetime
    local_at: datetime
    fire_at: datetime
    skipped_by: str = ""
    note: str = ""


def due_times(rule: Rule, *, after: datetime, until: datetime | None = None) -> Iterator[datetime]:
    """This will give the due times after an instant, up to and including another one."""
    following = rule.next_after(after)
    while following is not None and (until is None or following <= until):
        yield following
        following = rule.next_after(following)


def next_fires(
    rule: Rule, *, after: datetime, seed: str = "", count: int = 10, days_off: Sequence[DaysOff] = ()
) -> Sequence[Upcoming]:
    """This will give the next due times, excluded ones among them."""
    return [
        Upcoming(
            due_at=due_at,
            local_at=due_at.astimezone(rule.zone),
            fire_at=rule.fire_at(due_at, seed=seed),
            skipped_by=exclusion(rule, due_at=due_at, days_off=days_off) or "",
            note=_note(due_at, rule=rule),
        )
        for due_at in islice(due_times(rule, after=after), count)
    ]


def _note(due_at: datetime, *, rule: Rule) -> str:
    local = due_at.astimezone(rule.zone)
    before = (due_at - timedelta(microseconds=1)).astimezone(rule.zone)
    if (local.utcoffset() or timedelta()) > (before.utcoffset() or timedelta()):
        return "the clock jumps forward to this time"
    if local.fold:
        return "the clock shows this time for the second time"
    later = (due_at + _HOUR).astimezone(rule.zone)
    return "the clock shows this time twice: the first one" if later.fold and later.hour == local.hour else ""
