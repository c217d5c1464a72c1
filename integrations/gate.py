"""What every call to a connection passes, before and after: its rate limit and its circuit breaker.

`enter` raises Postponed when there is no room: the step waits and spends no attempt. Whoever entered must `leave`, with
what the call came to, also when it was not made after all. Without Redis the rate is kept by PostgreSQL and the breaker
lets everything pass: plain retries are safe, only less kind to the peer.
"""

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
import structlog
from django.db import DatabaseError, transaction

from audit import operations as audit
from audit.events import Actor, ActorKind, Event, EventKind
from integrations import turns
from integrations.breaker import BreakerPolicy, BreakerState
from integrations.contract import ConnectionSettings
from integrations.errors import CallFailed, Postponed, Unavailable, Unknown
from integrations.memory import memory
from integrations.rate import Rate

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
_SHORT_S = 0.05
_NAPS = 3
_SPREAD = 0.2


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call. `generation` is the breaker's; None: it has none, or nobody knows."""

    connection: ConnectionSettings
    generation: int | None = None


def enter(connection: ConnectionSettings, *, caller: str, rate_key: str = "", may_sleep: bool = True) -> Permit:
    """This will let a call pass or raise Postponed; waits under 50 ms are slept here if it `may_sleep`.

    `caller` names the call across its attempts, so that it keeps its place; `rate_key` divides the rate limit: each
    key has a bucket of its own.
    """
    permit = _pass_breaker(connection)
    if connection.rate is None:
        return permit
    wait_s = _wait_s(connection.rate, bucket=f"{connection.name}\n{rate_key}", caller=caller, may_sleep=may_sleep)
    if wait_s == 0:
        return permit
    _give_back(permit)
    raise Postponed(reason="rate", object_name=connection.name, delay_s=wait_s)


def leave(permit: Permit, *, outcome: BaseException | None, seconds: float) -> None:
    """This will count a call that is over: how it failed (None: it did not), and how long it took.

    Unavailable and Unknown count as failures, timeouts among them: they say that the peer is not well. Refused and
    Throttled do not: a peer that answers so is well, and says something about the request, or about our pace. Anything
    else, such as the end of the process, says nothing: the probe is given back.
    """
    policy = permit.connection.breaker
    if policy is None or permit.generation is None:
        return
    if outcome is not None and not isinstance(outcome, CallFailed):
        _give_back(permit)
        return
    is_failed = isinstance(outcome, Unavailable | Unknown)
    is_slow = seconds > policy.slow_s
    _ask(permit.connection, "record", policy, generation=permit.generation, is_failed=is_failed, is_slow=is_slow)


def state_of(name: str) -> BreakerState:
    """This will say what the breaker of a connection does now; closed also when nobody knows."""
    text = memory.read(_key(name))
    return BreakerState.CLOSED if text is None else BreakerState(orjson.loads(text)["state"])


def _pass_breaker(connection: ConnectionSettings) -> Permit:
    if connection.breaker is None:
        return Permit(connection)
    answer = _ask(connection, "acquire", connection.breaker)
    if answer is None:
        return Permit(connection)
    wait_ms, generation = answer
    if wait_ms > 0:
        delay_s = wait_ms / 1000 * random.uniform(1, 1 + _SPREAD)  # noqa: S311 - it spreads, it hides nothing
        raise Postponed(reason="breaker", object_name=connection.name, delay_s=delay_s)
    return Permit(connection, generation)


def _wait_s(rate: Rate, *, bucket: str, caller: str, may_sleep: bool) -> float:
    wait_s = turns.ask(name=bucket, rate=rate, caller=caller)
    for _ in range(_NAPS):
        if not (may_sleep and 0 < wait_s <= _SHORT_S):
            break
        time.sleep(wait_s)
        wait_s = turns.ask(name=bucket, rate=rate, caller=caller)
    return wait_s


def _give_back(permit: Permit) -> None:
    if permit.connection.breaker is not None and permit.generation is not None:
        _ask(permit.connection, "give_back", permit.connection.breaker, generation=permit.generation)


def _ask(
    connection: ConnectionSettings,
    what: str,
    policy: BreakerPolicy,
    *,
    generation: int = 0,
    is_failed: bool = False,
    is_slow: bool = False,
) -> tuple[int, int] | None:
    """Ask the shared breaker; what has changed by that is said once, by the one who changed it."""
    rule = [
        int(policy.window_s * 1000),
        policy.min_calls,
        policy.error_rate,
        policy.slow_rate,
        int(policy.open_s * 1000),
    ]
    args = [what, *rule, policy.probes, generation, int(is_failed), int(is_slow), ""]
    answer = memory.run("breaker", keys=[_key(connection.name)], args=args)
    if not isinstance(answer, list):
        return None
    wait_ms, now_generation, before, after = (part.decode() for part in answer)
    if before != after:
        _tell(connection.name, before=BreakerState(before), after=BreakerState(after))
    return int(wait_ms), int(now_generation)


def _tell(name: str, *, before: BreakerState, after: BreakerState) -> None:
    _log.warning("breaker_changed", connection=name, before=before.value, after=after.value)
    event = Event(
        kind=EventKind.BREAKER_CHANGED,
        actor=Actor(kind=ActorKind.ENGINE),
        subject_type="connection",
        subject_id=name,
        correlation_id="",
        at=datetime.now(UTC),
        payload={"before": before.value, "after": after.value},
    )
    try:
        with transaction.atomic():
            audit.record(event)
    except DatabaseError:  # the call is over: whatever becomes of this, its outcome must be kept
        _log.exception("breaker_change_not_audited", connection=name)


def _key(name: str) -> str:
    return f"breaker:{name}"
