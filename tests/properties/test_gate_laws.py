"""Laws of rate limits and breakers, and that the scripts in Redis are the rules in Python."""

from collections.abc import Sequence
from uuid import uuid4

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from integrations import breaker as breakers
from integrations import rate as rates
from integrations.breaker import Breaker, BreakerPolicy, BreakerState
from integrations.memory import memory
from integrations.rate import Bucket, Rate

RATES = st.builds(Rate, limit=st.integers(1, 20), period_s=st.sampled_from([0.1, 1.0, 3.0]), burst=st.integers(1, 5))
CALLERS = st.sampled_from(["a", "b", "c", "d", "e"])
START = 1_700_000_000_000_000
STEPS = st.lists(st.tuples(st.integers(0, 900_000), CALLERS), min_size=1, max_size=60)
POLICIES = st.builds(
    BreakerPolicy,
    window_s=st.sampled_from([1.0, 5.0]),
    min_calls=st.integers(1, 5),
    error_rate=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    slow_rate=st.sampled_from([0.0, 0.5, 1.0]),
    open_s=st.sampled_from([0.5, 3.0]),
    probes=st.integers(1, 3),
)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["acquire", "acquire", "record", "record", "give_back"]),
        st.integers(0, 1_500),
        st.booleans(),
        st.booleans(),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=60,
)


@given(rate=RATES, steps=STEPS)
def test_no_window_ever_sees_more_calls_than_its_share_and_the_burst(
    rate: Rate, steps: Sequence[tuple[int, str]]
) -> None:
    bucket, now, calls = Bucket(), START, []
    for pause, caller in steps:
        now += pause
        turn = rates.ask(bucket, rate=rate, now=now, caller=caller)
        bucket = turn.bucket
        if turn.wait_us == 0:
            calls.append(now)

    for first in range(len(calls)):
        for last in range(first, len(calls)):
            allowed = rate.burst + (calls[last] - calls[first]) / rate.interval_us
            assert last - first + 1 <= allowed


@given(rate=RATES, number=st.integers(1, 40))
def test_all_who_come_at_once_are_served_one_by_one_in_their_order(rate: Rate, number: int) -> None:
    bucket, served, callers = Bucket(), [], [str(one) for one in range(number)]
    due = [(START, position, caller) for position, caller in enumerate(callers)]
    asked = 0
    while due:
        due.sort()
        now, position, caller = due.pop(0)
        turn = rates.ask(bucket, rate=rate, now=now, caller=caller)
        bucket, asked = turn.bucket, asked + 1
        if turn.wait_us == 0:
            served.append((now, caller))
        else:
            due.append((now + turn.wait_us, position, caller))

    assert [caller for _, caller in served] == callers
    assert asked <= 2 * number, "each asks when it comes, and once more at its place"
    assert served[-1][0] - START <= number * rate.interval_us


@given(rate=RATES, now=st.integers(START, START + 10**9))
def test_drained_bucket_gives_nothing_before_the_guard_is_over(rate: Rate, now: int) -> None:
    bucket = rates.drained(Bucket(), rate=rate, now=now)

    assert rates.ask(bucket, rate=rate, now=now, caller="a").wait_us == rates.GUARD_US


@settings(max_examples=60, deadline=None)
@given(rate=RATES, steps=STEPS, is_drained=st.booleans())
@pytest.mark.usefixtures("database")
def test_rate_script_is_the_rule(rate: Rate, steps: Sequence[tuple[int, str]], is_drained: bool) -> None:
    keys = [f"test:{uuid4().hex}:{part}" for part in ("bucket", "places", "born")]
    bucket, now = rates.drained(Bucket(), rate=rate, now=START), START
    times = [rate.interval_us, rate.tolerance_us, rates.GUARD_US, rates.STALE_US]
    for position, (pause, caller) in enumerate([(0, "first"), *steps]):
        now += pause
        drains = is_drained and position == len(steps) // 2
        if drains:
            bucket = rates.drained(bucket, rate=rate, now=now)
        turn = rates.ask(bucket, rate=rate, now=now, caller=caller)
        bucket = turn.bucket

        answer = memory.run("rate", keys=keys, args=[*times, caller, int(drains), now])

        assert answer == str(turn.wait_us).encode()


@settings(max_examples=100, deadline=None)
@given(policy=POLICIES, moves=MOVES)
@example(policy=BreakerPolicy(min_calls=1), moves=[("acquire", 0, True, False, 0), ("record", 0, True, False, 0)])
@pytest.mark.usefixtures("database")
def test_breaker_script_is_the_rule(policy: BreakerPolicy, moves: Sequence[tuple[str, int, bool, bool, int]]) -> None:
    keys, breaker, now = [f"test:{uuid4().hex}"], Breaker(), START // 1000
    rule = [int(policy.window_s * 1000), policy.min_calls, policy.error_rate, policy.slow_rate]
    rule += [int(policy.open_s * 1000), policy.probes]
    for what, pause, is_failed, is_slow, age in moves:
        now += pause
        generation = max(0, breaker.generation - age)
        before, wait_ms = breaker.state, 0
        match what:
            case "acquire":
                admission = breakers.acquire(breaker, policy=policy, now=now)
                breaker, wait_ms = admission.breaker, admission.wait_ms
            case "record":
                breaker = breakers.record(
                    breaker, policy=policy, now=now, generation=generation, is_failed=is_failed, is_slow=is_slow
                )
            case _:
                breaker = breakers.give_back(breaker, generation=generation)

        answer = memory.run("breaker", keys=keys, args=[what, *rule, generation, int(is_failed), int(is_slow), now])

        expected = [str(wait_ms), str(breaker.generation), before.value, breaker.state.value]
        assert answer == [part.encode() for part in expected]


@given(policy=POLICIES, moves=MOVES)
def test_open_breaker_lets_nothing_pass_and_half_open_no_more_than_its_probes(
    policy: BreakerPolicy, moves: Sequence[tuple[str, int, bool, bool, int]]
) -> None:
    breaker, now, passed = Breaker(), START // 1000, 0
    for what, pause, is_failed, is_slow, _ in moves:
        now += pause
        before = breaker
        if what == "acquire":
            admission = breakers.acquire(breaker, policy=policy, now=now)
            breaker = admission.breaker
            if before.generation != breaker.generation:
                passed = 0
            if admission.wait_ms == 0 and breaker.state is BreakerState.HALF_OPEN:
                passed += 1
            assert not (before.state is BreakerState.OPEN and now < before.until and admission.wait_ms == 0)
            assert passed <= policy.probes
        elif what == "record":
            breaker = breakers.record(
                breaker, policy=policy, now=now, generation=breaker.generation, is_failed=is_failed, is_slow=is_slow
            )


@given(policy=POLICIES)
def test_breaker_closes_again_when_all_probes_succeed(policy: BreakerPolicy) -> None:
    now = START // 1000
    breaker = Breaker(state=BreakerState.OPEN, generation=1, until=now)

    for _ in range(policy.probes):
        admission = breakers.acquire(breaker, policy=policy, now=now)
        assert admission.wait_ms == 0
        breaker = breakers.record(
            admission.breaker,
            policy=policy,
            now=now,
            generation=admission.generation,
            is_failed=False,
            is_slow=False,
        )

    assert breaker.state is BreakerState.CLOSED


@given(policy=POLICIES, calls=st.integers(1, 50))
def test_breaker_stays_closed_while_calls_succeed(policy: BreakerPolicy, calls: int) -> None:
    breaker = Breaker()

    for _ in range(calls):
        breaker = breakers.record(
            breaker, policy=policy, now=START // 1000, generation=0, is_failed=False, is_slow=False
        )

    assert breaker.state is BreakerState.CLOSED
