"""Decides what becomes of a month of history; pure. Nothing under way, held or young is ever decided to go."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from retention.core.months import Month


class Verdict(StrEnum):
    """What becomes of a month."""

    YOUNG = "young"
    """Its time has not come."""
    BUSY = "busy"
    """Something of it is still under way: the whole month waits for that."""
    KEPT = "kept"
    """Only what must be kept is left."""
    THIN = "thin"
    """All goes but what must be kept."""
    DROP = "drop"
    """All goes."""

    @property
    def is_due(self) -> bool:
        """This will tell whether there is something to do."""
        return self in (Verdict.THIN, Verdict.DROP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is in a month: all of it, what is under way, and what must be kept. None is negative."""

    rows: int
    busy: int
    kept: int


def expires_before(*, now: datetime, months: int) -> datetime | None:
    """This will give the instant before which a month must have ended to go; None: history is kept for ever.

    The month of `now` does not count: with one month of retention, all of the last month is still there.
    """
    return None if months == 0 else Month.of(now).plus(-months).begins_at


def is_expired(*, ends_at: datetime | None, now: datetime, months: int) -> bool:
    """This will tell whether the time of a month has come. What has no end, the default partition, never expires."""
    limit = expires_before(now=now, months=months)
    return limit is not None and ends_at is not None and ends_at <= limit


def judge(*, ends_at: datetime | None, now: datetime, months: int, facts: Facts) -> Verdict:
    """This will decide about a month that ends at `ends_at`, by how many months are kept and what is in it."""
    if not is_expired(ends_at=ends_at, now=now, months=months):
        return Verdict.YOUNG
    if facts.busy:
        return Verdict.BUSY
    if not facts.kept:
        return Verdict.DROP
    return Verdict.THIN if facts.kept < facts.rows else Verdict.KEPT
