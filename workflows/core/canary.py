"""The canary share of a workflow's starts: who gets the new version, and when it is taken back by itself; pure.

The laws it keeps: the same key always gets the same version while a canary is under way; a larger share moves keys to
the new version only, never back; and the share of many keys is the one that was asked for, within chance.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import quantiles

from workflows.core.states import RunState

_POINTS = 2**64
_ENOUGH_FOR_QUANTILES = 2


@dataclass(frozen=True, slots=True)
class Rule:
    """When a canary is rolled back by itself: `failed_percent` or more of at least `after_runs` ended runs failed."""

    failed_percent: float
    after_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What has become of the runs of one version. `median_s` and `p95_s`: how long the succeeded ones took."""

    runs: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    median_s: float | None = None
    p95_s: float | None = None

    @property
    def failed_percent(self) -> float | None:
        """This will give the share of failures among the runs that came to an end by themselves, if there are any.

        >>> Figures(runs=5, succeeded=3, failed=1, cancelled=1).failed_percent
        25.0
        """
        ended = self.succeeded + self.failed
        return 100 * self.failed / ended if ended else None


def is_canary(key: str, *, salt: str, percent: float) -> bool:
    """This will tell whether a start with this key belongs to `percent` (0 to 100) of all.

    `salt` names the canary, so that it is not the same customers who try every new version first.

    >>> [is_canary("customer 7", salt="orders v3", percent=percent) for percent in (0, 20, 50, 100)]
    [False, False, True, True]
    """
    digest = hashlib.sha256(f"{salt}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8]) < _POINTS * (percent / 100)


def figures_of(runs: Iterable[tuple[str, datetime, datetime | None]]) -> Figures:
    """This will count runs, each given by its state, when it was started, and when it ended."""
    counts = dict.fromkeys(RunState, 0)
    lengths: list[timedelta] = []
    for state, created_at, ended_at in runs:
        counts[RunState(state)] += 1
        if state == RunState.SUCCEEDED and ended_at is not None:
            lengths.append(ended_at - created_at)
    seconds = sorted(length.total_seconds() for length in lengths)
    return Figures(
        runs=sum(counts.values()),
        running=counts[RunState.RUNNING],
        succeeded=counts[RunState.SUCCEEDED],
        failed=counts[RunState.FAILED],
        cancelled=counts[RunState.CANCELLED],
        median_s=_quantile(seconds, percent=50),
        p95_s=_quantile(seconds, percent=95),
    )


def is_to_be_rolled_back(rule: Rule | None, *, canary: Figures) -> bool:
    """This will tell whether the rule of a canary says to take it back.

    >>> bad = Figures(runs=10, succeeded=7, failed=3)
    >>> is_to_be_rolled_back(Rule(20, 10), canary=bad), is_to_be_rolled_back(Rule(20, 11), canary=bad)
    (True, False)
    """
    failed_percent = canary.failed_percent
    if rule is None or failed_percent is None:
        return False
    return canary.succeeded + canary.failed >= rule.after_runs and failed_percent >= rule.failed_percent


def may_be_rolled_back(rule: Rule, *, failed: int) -> bool:
    """This will tell whether so many failures can be enough for a rule; if not, nothing else need be counted."""
    return failed + 1 >= rule.failed_percent / 100 * rule.after_runs


def _quantile(seconds: list[float], *, percent: int) -> float | None:
    if len(seconds) < _ENOUGH_FOR_QUANTILES:
        return seconds[0] if seconds else None
    return quantiles(seconds, n=100, method="inclusive")[percent - 1]
