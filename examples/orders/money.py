"""Reads and writes amounts of money as whole cents; it never uses floating point."""

import re

AMOUNT = re.compile(r"(\d{1,9})\.(\d{2})")


def cents_of(amount: str) -> int:
    """This will read an amount with two decimals.

    Raises ValueError when it is written in any other way.

    >>> cents_of("29.33")
    2933
    """
    match = AMOUNT.fullmatch(amount)
    if match is None:
        raise ValueError(f"{amount!r} is not an amount; write it with two decimals, such as '29.33'")
    return int(match[1]) * 100 + int(match[2])


def amount_of(cents: int) -> str:
    """This will write cents, 0 or more, as an amount with two decimals.

    >>> amount_of(2905)
    '29.05'
    """
    return f"{cents // 100}.{cents % 100:02}"
