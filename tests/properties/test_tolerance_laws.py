"""Laws of what a `for_each` tolerates: more failures are never better, no share forgives what its number would not."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.core.tolerance import COLLECT, FAIL_FAST, ThresholdInvalid, Tolerance, marked, parse_tolerance

counts = st.integers(0, 1_000)
shares = st.integers(0, 1000).map(lambda tenths: tenths / 10)
tolerances = (
    st.builds(lambda count: Tolerance(count=count), counts)
    | st.builds(lambda share: Tolerance(share=share), shares)
    | st.just(Tolerance())
)


@given(tolerance=tolerances, failed=counts, fewer=counts, total=counts)
def test_what_is_tolerated_is_tolerated_with_fewer_failures(
    tolerance: Tolerance, failed: int, fewer: int, total: int
) -> None:
    if tolerance.allows(failed=failed, total=total) and fewer <= failed:
        assert tolerance.allows(failed=fewer, total=total)


@given(tolerance=tolerances, total=counts)
def test_no_failure_is_always_tolerated(tolerance: Tolerance, total: int) -> None:
    assert tolerance.allows(failed=0, total=total)


@given(tolerance=tolerances, failed=counts, total=counts)
def test_only_what_may_stop_ever_stops(tolerance: Tolerance, failed: int, total: int) -> None:
    assert tolerance.may_stop or tolerance.allows(failed=failed, total=total)


@given(tenths=st.integers(0, 1000), failed=counts, total=counts)
def test_share_is_exact_where_it_can_be_written_down(tenths: int, failed: int, total: int) -> None:
    tolerance = parse_tolerance({"threshold": f"{tenths / 10}%"})

    wanted = Fraction(failed) * 100 <= Fraction(tenths, 10) * total

    assert tolerance.allows(failed=failed, total=total) == wanted


@given(count=counts, total=st.integers(1, 1_000))
def test_number_and_words_mean_what_they_say(count: int, total: int) -> None:
    assert parse_tolerance({"threshold": count}).allows(failed=count, total=total)
    assert not parse_tolerance({"threshold": count}).allows(failed=count + 1, total=total)
    assert not parse_tolerance(FAIL_FAST).allows(failed=1, total=total)
    assert parse_tolerance(COLLECT).allows(failed=total, total=total)


@given(text=st.text(max_size=8) | st.integers(101, 999).map(lambda number: f"{number}%"))
def test_what_is_no_share_is_refused(text: str) -> None:
    try:
        share = float(text.removesuffix("%"))
    except ValueError:
        share = -1.0
    if not text.endswith("%") or not 0 <= share <= 100:
        with pytest.raises(ThresholdInvalid):
            parse_tolerance({"threshold": text})


@given(results=st.lists(st.tuples(st.sampled_from(["succeeded", "failed", "cancelled"]), st.integers(), st.text())))
def test_marks_keep_order_and_number_and_say_who_succeeded(results: list[tuple[str, int, str]]) -> None:
    found = marked(results)

    assert [one["ok"] for one in found] == [state == "succeeded" for state, _, _ in results]
    assert [one["output"] for one in found if one["ok"]] == [out for state, out, _ in results if state == "succeeded"]
    assert [one["error"] for one in found if not one["ok"]] == [
        err for state, _, err in results if state != "succeeded"
    ]
