"""Reads when a run is to start, as callers write it; it starts nothing."""

import math
from datetime import UTC, datetime, timedelta

MAX_DELAY = timedelta(days=366)


def read_start_at(*, delay_s: float | None, start_at: str | datetime | None, now: datetime) -> datetime | None:
    """This will give the instant of a delayed start, None for at once. Raises ValueError saying what would be right.

    >>> read_start_at(delay_s=90, start_at=None, now=datetime(2026, 1, 1, tzinfo=UTC)).isoformat()
    '2026-01-01T00:01:30+00:00'
    """
    if delay_s is None:
        return _checked(start_at, now=now) if start_at else None
    if start_at is not None:
        raise ValueError("give a delay or an instant to start at, not both")
    if not math.isfinite(delay_s) or not 0 <= delay_s <= MAX_DELAY.total_seconds():
        raise ValueError(f"a delay is 0 to {MAX_DELAY.total_seconds():.0f} seconds, not {delay_s:g}")
    return now + timedelta(seconds=delay_s) if delay_s else None


def _checked(start_at: str | datetime, *, now: datetime) -> datetime:
    instant = _instant(start_at) if isinstance(start_at, str) else start_at
    if instant.tzinfo is None:
        raise ValueError(f"{start_at} has no offset: write it like 2026-01-31T08:00:00+01:00")
    if instant - now > MAX_DELAY:
        raise ValueError(f"{start_at} is more than {MAX_DELAY.days} days away")
    return instant.astimezone(UTC)


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no instant: write it like 2026-01-31T08:00:00+01:00") from error
