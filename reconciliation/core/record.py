"""What is compared: one record of one side, and which side that is; no I/O."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, TypeAlias
from uuid import UUID

Value: TypeAlias = str | int | float | bool | Decimal | datetime | date | UUID | tuple[object, object] | None
"""A value as its source gives it; of money with a currency, the pair of both."""


class Side(StrEnum):
    """Which of the two streams is meant."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> "Side":
        """This will give the side it is compared with."""
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


class Record(NamedTuple):
    """One thing on one side: what identifies it, what must be the same, and the row it was read from.

    `values` stand in the order of the job's fields. Keys are ordered by code point.
    """

    key: str
    values: tuple[Value, ...] = ()
    row: Mapping[str, object] = {}


def as_text(value: object) -> str | None:
    """This will write a value as text, None for None.

    >>> as_text(Decimal("12.50")), as_text(True), as_text(None)
    ('12.50', 'true', None)
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
