"""Days on which nothing is due: dates, ranges of dates, weekdays; judged in the schedule's own zone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysOff:
    """A calendar of exclusions. A range includes both its ends; a date written as `12-25` is one of every year."""

    name: str = ""
    dates: frozenset[str] = frozenset()
    ranges: tuple[tuple[date, date], ...] = field(default=())
    weekdays: frozenset[int] = frozenset()

    def excludes(self, day: date) -> bool:
        """This will tell whether nothing is due on a day."""
        is_named = day.isoformat() in self.dates or f"{day:%m-%d}" in self.dates
        return is_named or day.weekday() in self.weekdays or any(low <= day <= high for low, high in self.ranges)


def read_days_off(document: Mapping[str, Any], *, name: str = "") -> DaysOff:  # Any: the schema has checked it
    """This will build a calendar from its document. Raises ValueError saying what is wrong.

    >>> read_days_off({"weekdays": ["SAT", "SUN"], "dates": ["12-25"]}).excludes(date(2026, 12, 25))
    True
    """
    unknown = set(document) - {"dates", "ranges", "weekdays"}
    if unknown:
        raise ValueError(f"there is no key {sorted(unknown)[0]!r}: write dates, ranges or weekdays")
    return DaysOff(
        name=name,
        dates=frozenset(_date_text(text) for text in _listed(document, "dates")),
        ranges=tuple(_range(one) for one in _listed(document, "ranges")),
        weekdays=frozenset(_weekday(text) for text in _listed(document, "weekdays")),
    )


def _listed(document: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = document.get(key, [])
    if not isinstance(value, list | tuple):
        raise ValueError(f"`{key}` must be a list")
    return value


def _date_text(text: object) -> str:
    full = f"2000-{text}" if isinstance(text, str) and len(text) == len("12-25") else text
    _date(full)
    return str(text)


def _date(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no date: write 2026-12-25, or 12-25 for every year") from error


def _range(one: object) -> tuple[date, date]:
    if not isinstance(one, Mapping) or set(one) != {"from", "to"}:
        raise ValueError(f"{one!r} is no range: write {{from: 2026-12-24, to: 2027-01-01}}")
    low, high = _date(one["from"]), _date(one["to"])
    if high < low:
        raise ValueError(f"the range ends on {high}, before it begins on {low}")
    return low, high


def _weekday(text: object) -> int:
    if not isinstance(text, str) or text.upper() not in WEEKDAYS:
        raise ValueError(f"{text!r} is no weekday: write one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(text.upper())
