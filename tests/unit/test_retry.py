"""Delays between attempts, by example; the laws are in tests/properties."""

import pytest

from workflows.core.definition import Jitter, RetryPolicy
from workflows.core.retry import base_delay_s, next_delay_s
from workflows.core.states import FailureKind


def delay_s(
    policy: RetryPolicy,
    *,
    attempt: int = 1,
    kind: FailureKind = FailureKind.UNAVAILABLE,
    elapsed_s: float = 0.0,
    previous_delay_s: float | None = None,
    requested_s: float | None = None,
    throw: float = 0.5,
) -> float | None:
    """This will ask for the next delay, with dice that always give `throw`."""
    return next_delay_s(
        policy,
        attempt=attempt,
        kind=kind,
        elapsed_s=elapsed_s,
        previous_delay_s=previous_delay_s,
        requested_s=requested_s,
        dice=lambda: throw,
    )


@pytest.mark.parametrize(
    ("jitter", "expected"),
    [(Jitter.NONE, 4.0), (Jitter.FULL, 2.0), (Jitter.EQUAL, 3.0), (Jitter.DECORRELATED, 6.5)],
)
def test_jitter_spreads_the_third_delay(jitter: Jitter, expected: float) -> None:
    policy = RetryPolicy(first_s=1, factor=2, cap_s=60, jitter=jitter)

    assert delay_s(policy, attempt=3, previous_delay_s=4.0) == expected


def test_decorrelated_jitter_begins_with_the_first_delay_and_keeps_the_cap() -> None:
    policy = RetryPolicy(first_s=2, cap_s=10, jitter=Jitter.DECORRELATED)

    assert delay_s(policy, throw=0.0) == 2
    assert delay_s(policy, throw=0.5) == 4
    assert delay_s(policy, attempt=4, previous_delay_s=9, throw=0.99) == 10


def test_last_attempt_is_followed_by_none() -> None:
    policy = RetryPolicy(attempts=3)

    assert delay_s(policy, attempt=2) is not None
    assert delay_s(policy, attempt=3) is None


def test_single_attempt_is_followed_by_none() -> None:
    assert delay_s(RetryPolicy(attempts=1)) is None


@pytest.mark.parametrize("kind", list(FailureKind))
def test_only_the_kinds_the_policy_names_are_retried(kind: FailureKind) -> None:
    policy = RetryPolicy(on=frozenset({FailureKind.TIMEOUT, FailureKind.REFUSED}))

    assert (delay_s(policy, kind=kind) is not None) == (kind is FailureKind.TIMEOUT)


def test_requested_delay_counts_above_the_cap_and_below_the_budget() -> None:
    policy = RetryPolicy(first_s=1, cap_s=2, jitter=Jitter.NONE, budget_s=100)

    assert delay_s(policy, requested_s=90) == 90
    assert delay_s(policy, requested_s=0.1) == 1
    assert delay_s(policy, requested_s=101) is None


def test_budget_counts_what_has_passed_and_the_delay() -> None:
    policy = RetryPolicy(first_s=10, cap_s=10, jitter=Jitter.NONE, budget_s=60)

    assert delay_s(policy, elapsed_s=50) == 10
    assert delay_s(policy, elapsed_s=50.1) is None
    assert delay_s(RetryPolicy(first_s=10, cap_s=10, jitter=Jitter.NONE, budget_s=None), elapsed_s=1e9) == 10


def test_delay_beyond_what_floats_hold_is_the_cap() -> None:
    assert base_delay_s(RetryPolicy(first_s=1, factor=100, cap_s=60), attempt=1000) == 60
