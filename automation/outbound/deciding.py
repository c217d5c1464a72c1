"""When a message is sent again and when nobody tries any longer; pure, the clock and the chance are arguments.

Source: Standard Webhooks 1.0, "Deliverability and reliability".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE_S, HOUR_S = 60.0, 3600.0
DELAYS_S: Sequence[float] = (
    5.0,
    5 * MINUTE_S,
    30 * MINUTE_S,
    2 * HOUR_S,
    5 * HOUR_S,
    10 * HOUR_S,
    14 * HOUR_S,
    20 * HOUR_S,
    24 * HOUR_S,
)
"""Between one attempt and the next: ten attempts in three days."""
JITTER = 0.2
LONGEST_ASKED_S = 24 * HOUR_S
GONE = 410


@dataclass(frozen=True, slots=True)
class Later:
    """It is tried again after so many seconds."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Dead:
    """It is not tried again by itself."""


Next = Later | Dead


def after_failure(*, attempts: int, chance: float, asked_s: float | None = None) -> Next:
    """This will decide what follows an attempt that failed, the `attempts`-th (from 1).

    `chance` is 0 to 1; `asked_s` is what the receiver asked for (Retry-After), and never shortens the delay.

    >>> after_failure(attempts=1, chance=0.0), after_failure(attempts=1, chance=0.0, asked_s=60)
    (Later(delay_s=5.0), Later(delay_s=60.0))
    >>> after_failure(attempts=10, chance=0.0)
    Dead()
    """
    if attempts > len(DELAYS_S):
        return Dead()
    delay_s = DELAYS_S[attempts - 1] * (1 + JITTER * chance)
    return Later(max(delay_s, min(asked_s or 0.0, LONGEST_ASKED_S)))


def is_given_up(*, failing_since: datetime | None, now: datetime, days: int) -> bool:
    """This will tell whether an endpoint has failed for so long, without one success, that it is disabled."""
    return failing_since is not None and now - failing_since >= timedelta(days=days)


def is_wanted(*, types: Sequence[str], event_type: str) -> bool:
    """This will tell whether somebody who subscribed to these types wants an event.

    >>> [is_wanted(types=types, event_type="order.paid") for types in (["ping", "order.*"], ["order"])]
    [True, False]
    """
    return any(event_type.startswith(wanted[:-1]) if wanted.endswith("*") else event_type == wanted for wanted in types)
