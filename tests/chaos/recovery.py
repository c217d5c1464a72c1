"""How long the platform needed to get on after a fault; pure arithmetic on instants."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A fault as it was in force: from its first blow until it was mended."""

    name: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A run from its start to its end, with the instants (sorted) at which something was recorded of it."""

    run_id: UUID
    created_at: datetime
    ended_at: datetime | None
    moved_at: Sequence[datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Which run waited longest after which outage, in seconds in which no fault was in force."""

    seconds: float
    run_id: UUID | None = None
    outage: str = ""
    moved_at: datetime | None = None


def longest_recovery(outages: Sequence[Outage], lives: Sequence[Life]) -> Recovery:
    """This will find the run that was open when an outage ended and took longest to move after it.

    Time in which another fault is in force is not counted: nobody is asked to recover under fire.
    """
    longest = Recovery(seconds=0.0)
    for outage in outages:
        for life in lives:
            moved_at = _next_move(life, after=outage.until)
            if moved_at is not None:
                seconds = quiet_s(outage.until, moved_at, outages=outages)
                if seconds > longest.seconds:
                    longest = Recovery(seconds=seconds, run_id=life.run_id, outage=outage.name, moved_at=moved_at)
    return longest


def quiet_s(since: datetime, until: datetime, *, outages: Sequence[Outage]) -> float:
    """This will give how many seconds between two instants no outage covers."""
    quiet = 0.0
    reached = since
    for outage in sorted(outages, key=lambda outage: outage.at):
        if outage.until > reached and outage.at < until:
            quiet += max((outage.at - reached).total_seconds(), 0.0)
            reached = outage.until
    return quiet + max((until - reached).total_seconds(), 0.0)


def _next_move(life: Life, *, after: datetime) -> datetime | None:
    """Nothing when the run was not open at that instant, or never moved again: then it is stuck, not slow."""
    if life.created_at > after or (life.ended_at is not None and life.ended_at <= after):
        return None
    place = bisect_right(life.moved_at, after)
    return life.moved_at[place] if place < len(life.moved_at) else None


def lives(
    runs: Mapping[UUID, tuple[datetime, datetime | None]], moves: Mapping[UUID, Sequence[datetime]]
) -> Sequence[Life]:
    """This will put together runs (start, end) and the instants at which something was recorded of each."""
    return [
        Life(run_id=run_id, created_at=created_at, ended_at=ended_at, moved_at=sorted(moves.get(run_id, ())))
        for run_id, (created_at, ended_at) in runs.items()
    ]
