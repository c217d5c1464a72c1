"""What a comparison of two sorted streams reports, case by case."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from reconciliation.core.comparators import Exact, Money, Number, Text, Time
from reconciliation.core.compare import Comparison, Field, NotSorted, Variance, VarianceKind
from reconciliation.core.record import Record, Side, Value
from reconciliation.core.window import Clock, Window, is_in_flight

FIELDS = (Field(name="cents", comparator=Exact()), Field(name="day", comparator=Exact()))
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def compare(left: list[Record], right: list[Record]) -> list[Variance]:
    return list(Comparison(fields=FIELDS).compare(left=left, right=right))


def test_compare_reports_nothing_when_both_sides_are_equal() -> None:
    both = [Record("a", (1, "x")), Record("b", (2, "x"))]

    assert compare(both, both) == []


def test_compare_names_the_side_that_lacks_a_key() -> None:
    a, b, c = (Record(key, (1, "x")) for key in "abc")

    assert compare([a, b], [b, c]) == [
        Variance(kind=VarianceKind.MISSING_RIGHT, key="a", left=a),
        Variance(kind=VarianceKind.MISSING_LEFT, key="c", right=c),
    ]


def test_compare_names_each_field_that_differs() -> None:
    left, right = Record("a", (100, "1997-01-01")), Record("a", (101, None))

    (found,) = compare([left], [right])

    assert (found.kind, found.left, found.right, found.fields) == (VarianceKind.DIFFERS, left, right, ("cents", "day"))
    assert str(found) == "a: cents is 100 left, 101 right; day is '1997-01-01' left, None right"


def test_compare_counts_the_occurrences_when_a_key_repeats() -> None:
    one = Record("a", (1, "x"))

    (found,) = compare([one], [one, one, one])

    assert (found.kind, found.occurrences) == (VarianceKind.DUPLICATE_RIGHT, 3)
    assert str(found) == "a: duplicate right, 3 times"


def test_compare_reports_missing_and_duplicate_when_a_repeated_key_is_on_one_side_only() -> None:
    found = compare([], [Record("a", (1, "x")), Record("a", (1, "x"))])

    assert [variance.kind for variance in found] == [VarianceKind.MISSING_LEFT, VarianceKind.DUPLICATE_RIGHT]


def test_compare_refuses_a_stream_when_it_is_not_sorted() -> None:
    with pytest.raises(NotSorted, match=r"right stream: record 2 .* sort the stream by key") as refused:
        compare([Record("a", (1, "x"))], [Record("b", (1, "x")), Record("a", (1, "x"))])

    assert (refused.value.side, refused.value.previous, refused.value.key) == (Side.RIGHT, "b", "a")


@pytest.mark.parametrize(
    ("comparator", "left", "right", "is_same"),
    [
        (Exact(), Decimal("12.50"), "12.50", True),
        (Exact(), None, "", False),
        (Text(), "Ada  Lovelace ", "ada lovelace", True),
        (Number(absolute=Decimal("0.01")), "12.50", "12.52", False),
        (Number(relative=Decimal("0.01")), 1000, 1010, True),
        (Number(absolute=Decimal(1)), "n/a", "n/a", True),
        (Number(absolute=Decimal(1)), "n/a", 1, False),
        (Money(minor_right=True), ("10.00", "USD"), (1000, "USD"), True),
        (Money(minor_right=True), ("1000", "JPY"), (1000, "JPY"), True),
        (Money(minor_right=True, currency="KWD"), "1.234", 1234, True),
        (Money(tolerance=Decimal("0.01")), ("1.00", "EUR"), ("1.01", "EUR"), True),
        (Money(), ("1.00", "EUR"), ("1.00", "USD"), False),
        (Time(skew_s=60), "2026-01-01T00:00:00Z", 1767225659, True),
        (Time(zone_left="Europe/Berlin"), "2026-01-01T01:00:00", "2026-01-01T00:00:00Z", True),
        (Time(skew_s=60), "yesterday", "2026-01-01", False),
    ],
)
def test_comparator_tells_what_counts_as_the_same(
    comparator: Exact | Text | Number | Money | Time, left: Value, right: Value, is_same: bool
) -> None:
    assert comparator.same(left, right) is is_same


def test_window_judges_what_lies_inside_and_reads_a_margin_around_it() -> None:
    window = Window(begins_at=NOW, ends_at=NOW + timedelta(days=1), margin=timedelta(hours=1))

    assert window.reads_from == NOW - timedelta(hours=1)
    assert window.reads_to == NOW + timedelta(hours=25)
    assert [window.holds(NOW + timedelta(hours=hours)) for hours in (-1, 0, 23, 24)] == [False, True, True, False]


def test_clock_takes_the_later_of_both_sides_and_grace_counts_from_there() -> None:
    variance = Variance(
        kind=VarianceKind.DIFFERS,
        key="a",
        left=Record("a", (), {"at": "2026-02-28T23:00:00Z"}),
        right=Record("a", (), {"made": "2026-02-28T23:50:00Z"}),
    )

    at = Clock(left="at", right="made").time_of(variance)

    assert at == NOW - timedelta(minutes=10)
    assert is_in_flight(at, grace=timedelta(minutes=15), now=NOW)
    assert not is_in_flight(at, grace=timedelta(minutes=10), now=NOW)
    assert not is_in_flight(None, grace=timedelta(minutes=10), now=NOW)
