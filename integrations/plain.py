"""JSON out of what libraries return; it loses no digit and never fails."""

import base64
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta

_LARGEST_INT = 2**63 - 1


def plain(value: object) -> object:
    """This will write a value as JSON can hold it and PostgreSQL can store it.

    Decimals and integers beyond 64 bits become text, instants ISO 8601, lengths of time seconds, bytes base64;
    floating-point values that are no numbers, and all else, become text.

    >>> plain({"total": __import__("decimal").Decimal("12.50"), "at": date(2026, 3, 1), "raw": b"\\x00"})
    {'total': '12.50', 'at': '2026-03-01', 'raw': 'AA=='}
    """
    match value:
        case None | bool():
            return value
        case int() | float():
            return _number(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode()
        case Mapping():
            return {_text(str(key)): plain(item) for key, item in value.items()}
        case Iterable() if not isinstance(value, str):
            return [plain(item) for item in value]
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    """Neither NUL nor half of a surrogate pair, which names of files may hold, can be stored."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


def _number(value: int | float) -> object:
    is_kept = math.isfinite(value) if isinstance(value, float) else -_LARGEST_INT <= value <= _LARGEST_INT
    return value if is_kept else str(value)
