"""The rule of circuit breakers: when calls to a peer are held back, tried out and let through again; pure.

Closed: calls pass and are counted in a sliding window of ten slices. Open: none passes until `until`. Half open: as
many probes pass as the policy says; all of them must succeed, the first that does not opens it again. Every change
begins a new generation: what was begun in an older one does not count. All instants are milliseconds.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

SLICES = 10
PROBE_AGAIN_MS = 1_000
"""When to ask again while all probes are under way."""


class BreakerState(StrEnum):
    """What a breaker does with calls."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens. A rate of 0 never opens it.

    It opens when of at least `min_calls` in `window_s` the share `error_rate` failed, or the share `slow_rate` took
    longer than `slow_s`; for `open_s`, then `probes` calls find out.
    """

    window_s: float = 30.0
    min_calls: int = 20
    error_rate: float = 0.5
    slow_s: float = 10.0
    slow_rate: float = 0.0
    open_s: float = 30.0
    probes: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What is remembered. `counts`: calls, failed, slow by number of the slice; `given`, `passed`: of the probes."""

    state: BreakerState = BreakerState.CLOSED
    generation: int = 0
    until: int = 0
    given: int = 0
    passed: int = 0
    counts: dict[str, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Admission:
    """What came of asking: `wait_ms` 0 lets the call pass, in `generation`."""

    breaker: Breaker
    wait_ms: int
    generation: int


def acquire(breaker: Breaker, *, policy: BreakerPolicy, now: int) -> Admission:
    """This will let a call pass, or say when to ask again. Probes that never came back are given out again."""
    if breaker.state is BreakerState.CLOSED:
        return Admission(breaker, 0, breaker.generation)
    if now < breaker.until:
        if breaker.state is BreakerState.HALF_OPEN and breaker.given < policy.probes:
            probing = replace(breaker, given=breaker.given + 1)
            return Admission(probing, 0, probing.generation)
        is_open = breaker.state is BreakerState.OPEN
        wait_ms = breaker.until - now if is_open else min(PROBE_AGAIN_MS, breaker.until - now)
        return Admission(breaker, wait_ms, breaker.generation)
    probing = _changed(breaker, state=BreakerState.HALF_OPEN, until=now + _open_ms(policy))
    return Admission(replace(probing, given=1), 0, probing.generation)


def record(
    breaker: Breaker, *, policy: BreakerPolicy, now: int, generation: int, is_failed: bool, is_slow: bool
) -> Breaker:
    """This will take the end of a call into account."""
    if generation != breaker.generation or breaker.state is BreakerState.OPEN:
        return breaker
    if breaker.state is BreakerState.HALF_OPEN:
        if is_failed or (is_slow and policy.slow_rate > 0):
            return _changed(breaker, state=BreakerState.OPEN, until=now + _open_ms(policy))
        if breaker.passed + 1 >= policy.probes:
            return _changed(breaker, state=BreakerState.CLOSED, until=0)
        return replace(breaker, passed=breaker.passed + 1)
    counts = _counted(breaker, policy=policy, now=now, is_failed=is_failed, is_slow=is_slow)
    if _is_too_bad(counts, policy=policy):
        return _changed(breaker, state=BreakerState.OPEN, until=now + _open_ms(policy))
    return replace(breaker, counts=counts)


def give_back(breaker: Breaker, *, generation: int) -> Breaker:
    """This will take back a probe that was let pass and not made."""
    if generation != breaker.generation or breaker.state is not BreakerState.HALF_OPEN or breaker.given == 0:
        return breaker
    return replace(breaker, given=breaker.given - 1)


def _counted(
    breaker: Breaker, *, policy: BreakerPolicy, now: int, is_failed: bool, is_slow: bool
) -> dict[str, tuple[int, int, int]]:
    current = now // max(1, int(policy.window_s * 1000) // SLICES)
    counts = {number: tally for number, tally in breaker.counts.items() if int(number) > current - SLICES}
    calls, failed, slow = counts.get(str(current), (0, 0, 0))
    counts[str(current)] = (calls + 1, failed + is_failed, slow + is_slow)
    return counts


def _is_too_bad(counts: dict[str, tuple[int, int, int]], *, policy: BreakerPolicy) -> bool:
    calls, failed, slow = (sum(column) for column in zip(*counts.values(), strict=True))
    if calls < policy.min_calls:
        return False
    is_failing = policy.error_rate > 0 and failed >= policy.error_rate * calls
    return is_failing or (policy.slow_rate > 0 and slow >= policy.slow_rate * calls)


def _changed(breaker: Breaker, *, state: BreakerState, until: int) -> Breaker:
    return Breaker(state=state, generation=breaker.generation + 1, until=until)


def _open_ms(policy: BreakerPolicy) -> int:
    return int(policy.open_s * 1000)
