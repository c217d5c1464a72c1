"""Lengths of time as people write them (`90s`, `1h30m`); it knows no calendar and no clock."""

import math
import re

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = r"(?:[0-9]+(?:\.[0-9]+)?)"
_WHOLE = re.compile(rf"(?:({_PART})d)?(?:({_PART})h)?(?:({_PART})m(?!s))?(?:({_PART})s)?(?:({_PART})ms)?")
MAX_S = 366 * 86_400.0
"""The longest length that is accepted: longer ones are typing errors more often than plans."""


class DurationInvalid(ValueError):
    """A length of time that cannot be understood, or is out of range; `value` is what was given."""

    def __init__(self, value: object, *, message: str) -> None:
        super().__init__(message)
        self.value = value


def parse_duration(value: object) -> float:
    """This will give the length in seconds; a number is seconds already.

    Units: `d`, `h`, `m`, `s`, `ms`, each at most once, the largest first. Raises DurationInvalid.

    >>> parse_duration("90s"), parse_duration("1h30m"), parse_duration("250ms"), parse_duration(5)
    (90.0, 5400.0, 0.25, 5.0)
    """
    seconds = _seconds(value)
    if seconds is None:
        message = f"{value!r} is not a length of time: write for example 90s, 5m, 2h, 1d or 1h30m"
        raise DurationInvalid(value, message=message)
    if not 0 <= seconds <= MAX_S:
        raise DurationInvalid(value, message=f"{value!r} is out of range: 0 to 366d")
    return seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) <= MAX_S else math.inf
    if not isinstance(value, str) or not 0 < len(value) <= 40:
        return None
    match = _WHOLE.fullmatch(value)
    if match is None:
        return None
    return math.fsum(float(part) * unit for part, unit in zip(match.groups(), _UNITS.values(), strict=True) if part)
