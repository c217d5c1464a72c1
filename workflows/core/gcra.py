"""The generic cell rate algorithm: when a start may take place, from one instant per key; it reads no clock.

Source: ITU-T I.371, virtual scheduling. `tat` is the theoretical arrival time: when the key is as good as new.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`limit` starts in each `period_s`, up to `burst` of them at once."""

    limit: int
    period_s: float
    burst: int = 1

    @property
    def interval_s(self) -> float:
        """This will give the seconds that one start uses up."""
        return self.period_s / self.limit

    @property
    def tolerance_s(self) -> float:
        """This will give how far ahead of the even pace a start may be."""
        return self.interval_s * (self.burst - 1)


@dataclass(frozen=True, slots=True)
class Turn:
    """When a start may take place, in seconds from now (0: at once), and the `tat` after it."""

    delay_s: float
    tat: float


def take_turn(rate: Rate, *, tat: float | None, now: float) -> Turn:
    """This will give the next turn in line; it is never refused, only later.

    >>> rate = Rate(limit=2, period_s=10)
    >>> take_turn(rate, tat=None, now=100), take_turn(rate, tat=105, now=101)
    (Turn(delay_s=0.0, tat=105.0), Turn(delay_s=4.0, tat=110.0))
    """
    after = max(now if tat is None else tat, now) + rate.interval_s
    return Turn(delay_s=max(0.0, after - rate.interval_s - rate.tolerance_s - now), tat=after)


def refused_for_s(rate: Rate, *, tat: float | None, now: float) -> float | None:
    """This will say for how many seconds a start is refused, or None: it may take place at once.

    >>> refused_for_s(Rate(limit=2, period_s=10), tat=105, now=101)
    4.0
    """
    delay_s = take_turn(rate, tat=tat, now=now).delay_s
    return delay_s if delay_s > 0 else None
