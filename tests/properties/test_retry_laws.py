"""The laws of retries: delays grow, stay under their cap and their budget, and what is refused stays refused."""

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.definition import Jitter, RetryPolicy
from workflows.core.retry import base_delay_s, next_delay_s
from workflows.core.states import FailureKind

policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 50),
    first_s=st.floats(0, 100),
    factor=st.floats(1, 10),
    cap_s=st.floats(0, 1000),
    jitter=st.sampled_from(list(Jitter)),
    budget_s=st.none() | st.floats(0, 10_000),
)
retried = st.sampled_from([kind for kind in FailureKind if kind is not FailureKind.REFUSED])
dice = st.floats(0, 1, exclude_max=True)


@given(policies, st.integers(1, 1000))
def test_base_delay_grows_and_stays_under_its_cap(policy: RetryPolicy, attempt: int) -> None:
    now, later = (base_delay_s(policy, attempt=number) for number in (attempt, attempt + 1))

    assert 0 <= now <= later <= policy.cap_s


@given(policies, st.integers(1, 60), retried, st.floats(0, 20_000), dice)
def test_next_delay_keeps_cap_budget_and_attempts(
    policy: RetryPolicy, attempt: int, kind: FailureKind, elapsed_s: float, throw: float
) -> None:
    delay_s = next_delay_s(
        policy,
        attempt=attempt,
        kind=kind,
        elapsed_s=elapsed_s,
        previous_delay_s=None,
        requested_s=None,
        dice=lambda: throw,
    )

    if attempt >= policy.attempts:
        assert delay_s is None
    if delay_s is not None:
        assert 0 <= delay_s <= max(policy.cap_s, 0)
        assert policy.budget_s is None or elapsed_s + delay_s <= policy.budget_s


@given(policies, st.integers(1, 60), dice, st.none() | st.floats(0, 100))
def test_a_refused_attempt_is_never_repeated(
    policy: RetryPolicy, attempt: int, throw: float, requested_s: float | None
) -> None:
    delay_s = next_delay_s(
        policy,
        attempt=attempt,
        kind=FailureKind.REFUSED,
        elapsed_s=0,
        previous_delay_s=None,
        requested_s=requested_s,
        dice=lambda: throw,
    )

    assert delay_s is None


@given(policies, retried, st.floats(0, 5000), dice)
def test_a_requested_delay_is_never_shortened(
    policy: RetryPolicy, kind: FailureKind, requested_s: float, throw: float
) -> None:
    delay_s = next_delay_s(
        policy,
        attempt=1,
        kind=kind,
        elapsed_s=0,
        previous_delay_s=None,
        requested_s=requested_s,
        dice=lambda: throw,
    )

    assert delay_s is None or delay_s >= requested_s
