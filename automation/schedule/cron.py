"""Cron expressions as wall times; which instants those are is `zones`' business.

Five fields, or six with seconds first: names, ranges, steps, lists, `L`, `LW`, `MON#2`, `5L`. As in Debian's cron a day
must match both day fields when one of them begins with `*`, else either one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from cronsim import CronSim, CronSimError

from automation.schedule.zones import NextWall

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * SUN",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_PROBE = datetime(2024, 1, 1)  # noqa: DTZ001 - a wall time has no zone
_MOST_DAYS = 4000
CRONTAB_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


class CronInvalid(ValueError):
    """An expression that cannot be understood, or never comes true."""


def check(expression: str) -> None:
    """This will refuse what is no cron expression. Raises CronInvalid."""
    walls(expression)(_PROBE)


def is_steady(expression: str) -> bool:
    """This will tell whether it means `every so often` rather than `at this time`: minute or hour begin with `*`.

    >>> is_steady("*/5 * * * *"), is_steady("30 2 * * *"), is_steady("@hourly")
    (True, False, True)
    """
    fields = _expanded(expression).split()
    return any(field.startswith("*") for field in fields[-5:-3])


@lru_cache(maxsize=4096)
def walls(expression: str) -> NextWall:
    """This will give the walk over the wall times of an expression. Raises CronInvalid."""
    text = _expanded(expression)
    try:
        CronSim(text, _PROBE)
    except (CronSimError, ValueError, IndexError, AssertionError) as error:
        raise CronInvalid(_reason(text, error)) from error
    following = _walk(text)
    if following(_PROBE) is None:
        raise CronInvalid(f"{expression!r} never comes true: no year has such a day")
    return following


def crontab_walls(fields: Mapping[str, Sequence[int]]) -> NextWall:
    """This will give the wall times of Celery's crontab, given as sets of numbers: a day must match both day fields."""
    text = " ".join(_listed(fields[name]) for name in CRONTAB_FIELDS[:4])
    following = _walk(f"{text} *")
    weekdays = {day % 7 for day in fields["day_of_week"]}

    def next_wall(after: datetime) -> datetime | None:
        found: datetime | None = after
        for _ in range(_MOST_DAYS):
            found = following(found) if found is not None else None
            if found is None or found.isoweekday() % 7 in weekdays:
                return found
            found = found.replace(hour=23, minute=59, second=59)
        return None

    return next_wall


def _walk(text: str) -> Callable[[datetime], datetime | None]:
    def next_wall(after: datetime) -> datetime | None:
        return next(CronSim(text, after), None)

    return next_wall


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(str(number) for number in sorted(numbers))


def _expanded(expression: str) -> str:
    text = expression.strip()
    return _NICKNAMES.get(text.lower(), text)


def _reason(text: str, error: Exception) -> str:
    count = len(text.split())
    if count not in (5, 6):
        return f"{text!r} has {count} field{'' if count == 1 else 's'}: minute, hour, day of month, month, day of week"
    return f"{text!r} is no cron expression: {str(error).replace('Bad', 'the field cannot be read:')}"
