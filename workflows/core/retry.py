"""When a failed attempt is repeated, if ever; pure: the caller keeps the clock and the dice."""

from collections.abc import Callable
from typing import TypeAlias

from workflows.core.definition import Jitter, RetryPolicy
from workflows.core.states import FailureKind

Dice: TypeAlias = Callable[[], float]
"""Gives a float in [0, 1), as `random.random` does."""


def base_delay_s(policy: RetryPolicy, *, attempt: int) -> float:
    """This will give the delay after failed attempt number `attempt` (1 is the first), without jitter.

    >>> policy = RetryPolicy(first_s=1, factor=2, cap_s=10)
    >>> [base_delay_s(policy, attempt=attempt) for attempt in (1, 2, 3, 4, 5)]
    [1.0, 2.0, 4.0, 8.0, 10.0]
    """
    try:
        delay_s = policy.first_s * policy.factor ** (attempt - 1)
    except OverflowError:
        return float(policy.cap_s)
    return float(min(policy.cap_s, delay_s))


def next_delay_s(
    policy: RetryPolicy,
    *,
    attempt: int,
    kind: FailureKind,
    elapsed_s: float,
    previous_delay_s: float | None,
    requested_s: float | None,
    dice: Dice,
) -> float | None:
    """This will give the delay before the next attempt in seconds, or None when there is none.

    `attempt` is the number of the attempt that just failed, `elapsed_s` the time since the first one began.
    A delay that the failure itself asks for (`requested_s`) is never shortened: it counts above the computed
    one and above the cap, and only the budget ends it.
    """
    if kind is FailureKind.REFUSED or kind not in policy.on or attempt >= policy.attempts:
        return None
    delay_s = _jittered(policy, attempt=attempt, previous_delay_s=previous_delay_s, dice=dice)
    if requested_s is not None:
        delay_s = max(delay_s, requested_s)
    if policy.budget_s is not None and elapsed_s + delay_s > policy.budget_s:
        return None
    return delay_s


def _jittered(policy: RetryPolicy, *, attempt: int, previous_delay_s: float | None, dice: Dice) -> float:
    base = base_delay_s(policy, attempt=attempt)
    match policy.jitter:
        case Jitter.NONE:
            return base
        case Jitter.FULL:
            return base * dice()
        case Jitter.EQUAL:
            return base / 2 + base / 2 * dice()
        case Jitter.DECORRELATED:
            before = previous_delay_s if previous_delay_s is not None else policy.first_s
            highest = max(policy.first_s, before * 3)
            return min(policy.cap_s, policy.first_s + (highest - policy.first_s) * dice())
