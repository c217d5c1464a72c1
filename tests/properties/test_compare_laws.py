"""Laws of the comparison of two sorted streams, against a plain model that holds everything in memory."""

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.core import buckets
from reconciliation.core.comparators import Exact, Number
from reconciliation.core.compare import Comparison, Field, VarianceKind
from reconciliation.core.record import Record

FIELDS = (Field(name="cents", comparator=Number(absolute=Decimal(1))), Field(name="day", comparator=Exact()))
KEYS = st.text(alphabet="ab\U0001f600é", max_size=3)
VALUES = st.one_of(st.none(), st.integers(0, 3), st.sampled_from(["1", "x"]))
RECORDS = st.builds(lambda key, values: Record(key, values), KEYS, st.tuples(VALUES, VALUES))
STREAMS = st.lists(RECORDS, max_size=12).map(lambda records: sorted(records, key=lambda r: r.key))
DIVISIONS = st.sampled_from([1, 2, 8])

MIRROR = {
    VarianceKind.MISSING_LEFT: VarianceKind.MISSING_RIGHT,
    VarianceKind.MISSING_RIGHT: VarianceKind.MISSING_LEFT,
    VarianceKind.DUPLICATE_LEFT: VarianceKind.DUPLICATE_RIGHT,
    VarianceKind.DUPLICATE_RIGHT: VarianceKind.DUPLICATE_LEFT,
    VarianceKind.DIFFERS: VarianceKind.DIFFERS,
}
Found = tuple[str, VarianceKind, tuple[str, ...], int]


@given(stream=STREAMS)
def test_compare_finds_only_the_duplicates_when_a_stream_meets_itself(stream: list[Record]) -> None:
    repeated = sorted(key for key, count in Counter(r.key for r in stream).items() if count > 1)

    variances = list(Comparison(fields=FIELDS).compare(left=stream, right=stream))

    assert [variance.key for variance in variances] == [key for key in repeated for _ in "lr"]
    assert not [variance for variance in variances if variance.kind is VarianceKind.DIFFERS]


@given(left=STREAMS, right=STREAMS)
def test_compare_finds_what_the_model_finds(left: list[Record], right: list[Record]) -> None:
    variances = found(left, right)

    assert set(variances) == model(left, right)
    assert len(variances) == len(set(variances))


@given(left=STREAMS, right=STREAMS)
def test_compare_mirrors_its_findings_when_the_sides_change_places(left: list[Record], right: list[Record]) -> None:
    there = {(key, MIRROR[kind], fields, times) for key, kind, fields, times in found(left, right)}

    assert there == set(found(right, left))


@given(left=STREAMS, right=STREAMS)
def test_counts_add_up_for_any_streams(left: list[Record], right: list[Record]) -> None:
    comparison = Comparison(fields=FIELDS)
    variances = list(comparison.compare(left=left, right=right))
    kinds = Counter(variance.kind for variance in variances)

    assert comparison.counts.adds_up()
    assert (comparison.counts.left_rows, comparison.counts.right_rows) == (len(left), len(right))
    assert comparison.counts.only_left == kinds[VarianceKind.MISSING_RIGHT]
    assert comparison.counts.differing == kinds[VarianceKind.DIFFERS]


@given(left=STREAMS, right=STREAMS)
def test_compare_reports_in_ascending_order_of_keys(left: list[Record], right: list[Record]) -> None:
    keys = [variance.key for variance in Comparison(fields=FIELDS).compare(left=left, right=right)]

    assert keys == sorted(keys)


@given(left=STREAMS, right=STREAMS)
def test_compare_never_reads_further_ahead_than_its_findings_need(left: list[Record], right: list[Record]) -> None:
    read: list[str] = []
    for variance in Comparison(fields=FIELDS).compare(left=noted(left, read), right=noted(right, read)):
        ahead = {key for key in read if key > variance.key}
        # at most the held record and the one that closed its group, on each side
        assert len(ahead) <= 4


@given(left=STREAMS, right=STREAMS, division=DIVISIONS)
def test_sums_of_buckets_never_hide_a_variance(left: list[Record], right: list[Record], division: int) -> None:
    read = buckets.unequal(buckets.summed(left, buckets=division), buckets.summed(right, buckets=division))

    def rest(records: list[Record]) -> list[Record]:
        return [one for one in records if buckets.bucket_of(one.key, buckets=division) in read]

    assert found(rest(left), rest(right)) == found(left, right)


@given(stream=STREAMS, division=DIVISIONS)
def test_sums_of_buckets_settle_what_is_equal_and_not_repeated(stream: list[Record], division: int) -> None:
    once = list({record.key: record for record in stream}.values())
    sums = buckets.summed(once, buckets=division)

    assert not buckets.unequal(sums, buckets.summed(reversed(once), buckets=division))


def found(left: list[Record], right: list[Record]) -> list[Found]:
    return [
        (one.key, one.kind, one.fields, one.occurrences)
        for one in Comparison(fields=FIELDS).compare(left=left, right=right)
    ]


def noted(records: Iterable[Record], read: list[str]) -> Iterator[Record]:
    for record in records:
        read.append(record.key)
        yield record


def model(left: list[Record], right: list[Record]) -> set[Found]:
    lefts, rights = grouped(left), grouped(right)
    expected: set[Found] = {(key, VarianceKind.MISSING_RIGHT, (), 1) for key in lefts.keys() - rights.keys()}
    expected |= {(key, VarianceKind.MISSING_LEFT, (), 1) for key in rights.keys() - lefts.keys()}
    for kind, side in ((VarianceKind.DUPLICATE_LEFT, lefts), (VarianceKind.DUPLICATE_RIGHT, rights)):
        expected |= {(key, kind, (), len(group)) for key, group in side.items() if len(group) > 1}
    for key in lefts.keys() & rights.keys():
        fields = differing(lefts[key][0], rights[key][0])
        expected |= {(key, VarianceKind.DIFFERS, fields, 1)} if fields else set()
    return expected


def differing(left: Record, right: Record) -> tuple[str, ...]:
    pairs = zip(FIELDS, left.values, right.values, strict=True)
    return tuple(one.name for one, ours, theirs in pairs if not one.comparator.same(ours, theirs))


def grouped(records: list[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.key, []).append(record)
    return groups


def test_model_is_no_copy_of_what_it_checks() -> None:
    left, right = [Record("a", (1, "x")), Record("b", (1, "x"))], [Record("a", (3, "y")), Record("c", (1, "x"))]

    assert model(left, right) == {
        ("a", VarianceKind.DIFFERS, ("cents", "day"), 1),
        ("b", VarianceKind.MISSING_RIGHT, (), 1),
        ("c", VarianceKind.MISSING_LEFT, (), 1),
    }
