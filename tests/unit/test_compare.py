"""What a comparison of two sorted streams reports, case by case."""

import pytest

from reconciliation.compare import (
    NotSorted,
    Record,
    Side,
    Value,
    Variance,
    VarianceKind,
    compare,
)


def record(key: str, **fields: Value) -> Record:
    return Record(key=key, fields=fields)


def test_compare_reports_nothing_when_both_sides_are_equal() -> None:
    both = [record("a", cents=1), record("b", cents=2)]

    assert list(compare(left=both, right=both)) == []


def test_compare_names_the_side_that_lacks_a_key() -> None:
    found = list(compare(left=[record("a"), record("b")], right=[record("b"), record("c")]))

    assert found == [
        Variance(kind=VarianceKind.MISSING_RIGHT, key="a"),
        Variance(kind=VarianceKind.MISSING_LEFT, key="c"),
    ]


def test_compare_names_each_field_that_differs() -> None:
    found = list(
        compare(
            left=[record("a", cents=100, currency="USD", day="1997-01-01")],
            right=[record("a", cents=101, currency="USD")],
        )
    )

    assert found == [
        Variance(kind=VarianceKind.FIELD, key="a", field="cents", left=100, right=101),
        Variance(kind=VarianceKind.FIELD, key="a", field="day", left="1997-01-01", right=None),
    ]


def test_compare_counts_the_occurrences_when_a_key_repeats() -> None:
    found = list(compare(left=[record("a")], right=[record("a"), record("a"), record("a")]))

    assert found == [Variance(kind=VarianceKind.DUPLICATE_RIGHT, key="a", occurrences=3)]


def test_compare_reports_missing_and_duplicate_when_a_repeated_key_is_on_one_side_only() -> None:
    found = list(compare(left=[], right=[record("a"), record("a")]))

    assert [variance.kind for variance in found] == [
        VarianceKind.MISSING_LEFT,
        VarianceKind.DUPLICATE_RIGHT,
    ]


def test_compare_refuses_a_stream_when_it_is_not_sorted() -> None:
    with pytest.raises(NotSorted, match="sort the stream by key") as refused:
        list(compare(left=[record("a")], right=[record("b"), record("a")]))

    assert (refused.value.side, refused.value.previous, refused.value.key) == (Side.RIGHT, "b", "a")


@pytest.mark.parametrize(
    ("variance", "text"),
    [
        (
            Variance(kind=VarianceKind.FIELD, key="a", field="cents", left=1, right=2),
            "a: cents is 1 left, 2 right",
        ),
        (Variance(kind=VarianceKind.MISSING_RIGHT, key="a"), "a: missing right"),
        (
            Variance(kind=VarianceKind.DUPLICATE_LEFT, key="a", occurrences=2),
            "a: duplicate left, 2 times",
        ),
    ],
)
def test_variance_says_what_differs(variance: Variance, text: str) -> None:
    assert str(variance) == text
