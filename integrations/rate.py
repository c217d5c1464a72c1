"""The rule of rate limits: how long a call must wait for its turn; pure, the clock and the state are arguments.

The generic cell rate algorithm (ITU-T I.371) decides who may call: never more than `burst` at once, then one in each
`period / limit`. Who may not gets a place of his own in the future, one interval behind the one before, so that a
thousand waiting steps come back one by one; who comes back at his place goes before newcomers.

All instants are microseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

GUARD_US = 1_500_000
"""How long two memories of one limit may be asked beside each other, when one was lost or has come back."""
STALE_US = 60_000_000
"""Who is so late for its place has lost it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `limit` calls in each `period_s`, evenly spread, and `burst` at once after a rest."""

    limit: int
    period_s: float
    burst: int = 1

    @property
    def interval_us(self) -> int:
        """This will give the time between two calls under load, rounded up."""
        return -(-int(self.period_s * 1_000_000) // self.limit)

    @property
    def tolerance_us(self) -> int:
        """This will give how far calls may come before their time."""
        return (self.burst - 1) * self.interval_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What is remembered: when the next call is due at an even pace, the next free place, and who has a place."""

    due_at: int = 0
    free_at: int = 0
    places: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of asking: the bucket afterwards, and how long to wait (0: call now)."""

    bucket: Bucket
    wait_us: int


def drained(bucket: Bucket, *, rate: Rate, now: int) -> Bucket:
    """This will give a bucket of whose past nobody knows: all it could have given is gone, and a guard time on top."""
    due_at = max(bucket.due_at, now + GUARD_US + rate.tolerance_us)
    return Bucket(due_at=due_at, free_at=bucket.free_at, places=bucket.places)


def ask(bucket: Bucket, *, rate: Rate, now: int, caller: str) -> Turn:
    """This will say whether `caller` may call now, or give it a place to come back at."""
    interval, due_at = rate.interval_us, max(bucket.due_at, now)
    places = {name: at for name, at in bucket.places.items() if at >= now - STALE_US}
    place = places.pop(caller, None)
    early = due_at - rate.tolerance_us - now
    if place is not None and place > now:
        return Turn(Bucket(due_at=bucket.due_at, free_at=bucket.free_at, places={**places, caller: place}), place - now)
    if early <= 0 and (place is not None or bucket.free_at <= now):
        return Turn(Bucket(due_at=due_at + interval, free_at=bucket.free_at, places=places), 0)
    if place is not None and early <= interval:
        return Turn(Bucket(due_at=bucket.due_at, free_at=bucket.free_at, places={**places, caller: place}), early)
    at = max(bucket.free_at, now + max(early, 1))
    return Turn(Bucket(due_at=bucket.due_at, free_at=at + interval, places={**places, caller: at}), at - now)
