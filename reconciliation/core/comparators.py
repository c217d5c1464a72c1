"""When two values count as the same; pure.

What cannot be read as the comparator wants (text where a number should be) is compared as text: it is the same as the
same text, and differs from everything else. None is the same as None only.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Protocol, TypeGuard
from zoneinfo import ZoneInfo

from reconciliation.core.record import Value, as_text

_BLANKS = re.compile(r"\s+")
_WITHOUT_MINOR = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()  # noqa: SIM905 - read as a list
)
_MINOR_DIGITS = {**dict.fromkeys(_WITHOUT_MINOR, 0), "CLF": 4, "UYW": 4} | dict.fromkeys(
    ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3
)
"""ISO 4217: the digits behind the point, where they are not two."""


class Comparator(Protocol):
    """One way to compare. It is symmetric."""

    @property
    def is_plain(self) -> bool:
        """This will tell whether equal values of the sources are always the same: no unit or zone differs."""
        ...

    def same(self, left: Value, right: Value) -> bool:
        """This will tell whether the values of the two sides count as the same."""
        ...


@dataclass(frozen=True, slots=True)
class Exact:
    """Equal, or written in the same way.

    >>> Exact().same(7, "7"), Exact().same("a", "A")
    (True, False)
    """

    is_plain: bool = True

    def same(self, left: Value, right: Value) -> bool:
        """This will tell whether both are equal as they are, or as text."""
        return left == right or as_text(left) == as_text(right)


@dataclass(frozen=True, slots=True)
class Text:
    """The same words: case, blanks and the forms of Unicode (NFKC) do not count.

    >>> Text().same(" Jürgen  ﬁx", "JU\u0308RGEN FIX")
    True
    """

    is_plain: bool = True

    def same(self, left: Value, right: Value) -> bool:
        """This will tell whether both are the same words."""
        return left == right or self._normal(left) == self._normal(right)

    def _normal(self, value: Value) -> str | None:
        text = as_text(value)
        if text is None:
            return None
        folded = unicodedata.normalize("NFKC", text).casefold()
        return _BLANKS.sub(" ", unicodedata.normalize("NFKC", folded)).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """As close as `absolute`, or as `relative` times the larger of both: the wider of the two counts.

    >>> Number(absolute=Decimal("0.01")).same("12.50", 12.51), Number(relative=Decimal("0.1")).same(100, 111)
    (True, True)
    """

    absolute: Decimal = Decimal(0)
    relative: Decimal = Decimal(0)

    @property
    def is_plain(self) -> bool:
        """This will tell that equal values are the same."""
        return True

    def same(self, left: Value, right: Value) -> bool:
        """This will tell whether both are close enough."""
        ours, theirs = number(left), number(right)
        if ours is None or theirs is None:
            return Exact().same(left, right)
        room = max(self.absolute, self.relative * max(abs(ours), abs(theirs)))
        return abs(ours - theirs) <= room


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """The same amount of the same currency. A value is an amount, or the pair of amount and currency (ISO 4217).

    `minor_left` and `minor_right`: the side counts minor units, such as cents. `tolerance` is in major units.

    >>> Money(minor_right=True).same(("12.50", "EUR"), (1250, "eur")), Money().same(("1", "EUR"), ("1", "USD"))
    (True, False)
    """

    minor_left: bool = False
    minor_right: bool = False
    tolerance: Decimal = Decimal(0)
    currency: str = ""

    @property
    def is_plain(self) -> bool:
        """This will tell whether both sides count in the same units."""
        return self.minor_left == self.minor_right

    def same(self, left: Value, right: Value) -> bool:
        """This will tell whether both are the same amount of money."""
        if self.is_plain and left == right:
            return True
        ours, theirs = self.amount(left, is_minor=self.minor_left), self.amount(right, is_minor=self.minor_right)
        if (_is_pair(left) or _is_pair(right)) and self._currency(left) != self._currency(right):
            return False
        if ours is None or theirs is None:
            return self._texts(left) == self._texts(right)
        return abs(ours - theirs) <= self.tolerance

    def amount(self, value: Value, *, is_minor: bool) -> Decimal | None:
        """This will give the amount in major units, None where there is none to read."""
        amount = number(value[0] if _is_pair(value) else value)
        if amount is None or not is_minor:
            return amount
        return amount.scaleb(-_minor_digits(self._currency(value) if _is_pair(value) else self.currency))

    def _currency(self, value: Value) -> str:
        written = as_text(value[1]) if _is_pair(value) else self.currency
        return (written or "").strip().upper()

    def _texts(self, value: Value) -> str | None:
        return as_text(value[0]) if _is_pair(value) else as_text(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """Instants at most `skew_s` seconds apart; what has no offset is meant in the zone of its side.

    >>> Time(skew_s=2).same("2026-01-01T12:00:00+01:00", "2026-01-01T11:00:01Z")
    True
    """

    skew_s: float = 0.0
    zone_left: str = "UTC"
    zone_right: str = "UTC"

    @property
    def is_plain(self) -> bool:
        """This will tell whether both sides are in the same zone."""
        return self.zone_left == self.zone_right

    def same(self, left: Value, right: Value) -> bool:
        """This will tell whether both are close enough."""
        ours, theirs = instant(left, zone=self.zone_left), instant(right, zone=self.zone_right)
        if ours is None or theirs is None:
            return Exact().same(left, right)
        return abs((ours - theirs).total_seconds()) <= self.skew_s


def number(value: object) -> Decimal | None:
    """This will read a finite number, None where there is none.

    >>> number("1,250.50"), number("12.5"), number(True), number("nan")
    (None, Decimal('12.5'), None, None)
    """
    if type(value) is Decimal or type(value) is int:
        found = Decimal(value)
    elif isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    else:
        try:
            found = Decimal(str(value).strip())
        except InvalidOperation:
            return None
    return found if found.is_finite() and abs(found.adjusted()) < 1000 else None


def instant(value: object, *, zone: str = "UTC") -> datetime | None:
    """This will read an instant from a time, a date (its beginning), ISO 8601, or seconds since 1970; else None.

    >>> instant("2026-01-01", zone="Europe/Berlin").isoformat()
    '2025-12-31T23:00:00+00:00'
    """
    try:
        found = _time_of(value)
        if found is None:
            return None
        place: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
        return (found if found.tzinfo else found.replace(tzinfo=place)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _time_of(value: object) -> datetime | None:
    match value:
        case datetime():
            return value
        case date():
            return datetime.combine(value, time())
        case bool():
            return None
        case int() | float() | Decimal():
            return datetime.fromtimestamp(float(value), tz=UTC)
        case str():
            return datetime.fromisoformat(value.strip())
        case _:
            return None


@lru_cache(maxsize=1000)
def _minor_digits(currency: str) -> int:
    return _MINOR_DIGITS.get(currency.strip().upper(), 2)


def _is_pair(value: Value) -> TypeGuard[tuple[object, object]]:
    return isinstance(value, tuple)
