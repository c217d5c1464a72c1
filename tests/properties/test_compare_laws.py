"""Laws of the comparison of two sorted streams, against a plain model that holds everything in memory."""

from collections import Counter
from collections.abc import Iterable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.compare import Record, Value, Variance, VarianceKind, compare

KEYS = st.text(alphabet="ab\U0001f600é", max_size=3)
RECORDS = st.builds(
    lambda key, fields: Record(key=key, fields=fields),
    KEYS,
    st.dictionaries(st.sampled_from(["cents", "day"]), st.one_of(st.none(), st.integers(0, 2))),
)
STREAMS = st.lists(RECORDS, max_size=12).map(lambda records: sorted(records, key=lambda r: r.key))

MIRROR = {
    VarianceKind.MISSING_LEFT: VarianceKind.MISSING_RIGHT,
    VarianceKind.MISSING_RIGHT: VarianceKind.MISSING_LEFT,
    VarianceKind.DUPLICATE_LEFT: VarianceKind.DUPLICATE_RIGHT,
    VarianceKind.DUPLICATE_RIGHT: VarianceKind.DUPLICATE_LEFT,
    VarianceKind.FIELD: VarianceKind.FIELD,
}


@given(stream=STREAMS)
def test_compare_finds_only_the_duplicates_when_a_stream_meets_itself(stream: list[Record]) -> None:
    repeated = sorted(key for key, count in Counter(r.key for r in stream).items() if count > 1)

    found = list(compare(left=stream, right=stream))

    assert [variance.key for variance in found] == [key for key in repeated for _ in "lr"]
    assert not [variance for variance in found if variance.kind is VarianceKind.FIELD]


@given(left=STREAMS, right=STREAMS)
def test_compare_finds_what_the_model_finds(left: list[Record], right: list[Record]) -> None:
    found = list(compare(left=left, right=right))

    assert set(found) == model(left, right)
    assert len(found) == len(set(found))


@given(left=STREAMS, right=STREAMS)
def test_compare_mirrors_its_findings_when_the_sides_change_places(left: list[Record], right: list[Record]) -> None:
    there = {mirrored(variance) for variance in compare(left=left, right=right)}

    assert there == set(compare(left=right, right=left))


@given(left=STREAMS, right=STREAMS)
def test_compare_reports_in_ascending_order_of_keys(left: list[Record], right: list[Record]) -> None:
    keys = [variance.key for variance in compare(left=left, right=right)]

    assert keys == sorted(keys)


@given(left=STREAMS, right=STREAMS)
def test_compare_never_reads_further_ahead_than_its_findings_need(left: list[Record], right: list[Record]) -> None:
    read: list[str] = []
    for variance in compare(left=noted(left, read), right=noted(right, read)):
        ahead = {key for key in read if key > variance.key}
        # at most the held record and the one that closed its group, on each side
        assert len(ahead) <= 4


def noted(records: Iterable[Record], read: list[str]) -> Iterator[Record]:
    for record in records:
        read.append(record.key)
        yield record


def mirrored(variance: Variance) -> Variance:
    return Variance(
        kind=MIRROR[variance.kind],
        key=variance.key,
        field=variance.field,
        left=variance.right,
        right=variance.left,
        occurrences=variance.occurrences,
    )


def model(left: list[Record], right: list[Record]) -> set[Variance]:
    lefts, rights = grouped(left), grouped(right)
    found = {Variance(kind=VarianceKind.MISSING_RIGHT, key=key) for key in lefts.keys() - rights.keys()}
    found |= {Variance(kind=VarianceKind.MISSING_LEFT, key=key) for key in rights.keys() - lefts.keys()}
    for kind, side in ((VarianceKind.DUPLICATE_LEFT, lefts), (VarianceKind.DUPLICATE_RIGHT, rights)):
        found |= {Variance(kind=kind, key=key, occurrences=len(group)) for key, group in side.items() if len(group) > 1}
    for key in lefts.keys() & rights.keys():
        found |= field_differences(lefts[key][0], rights[key][0])
    return found


def field_differences(left: Record, right: Record) -> set[Variance]:
    pairs: dict[str, tuple[Value, Value]] = {
        name: (left.fields.get(name), right.fields.get(name)) for name in {*left.fields, *right.fields}
    }
    return {
        Variance(kind=VarianceKind.FIELD, key=left.key, field=name, left=ours, right=theirs)
        for name, (ours, theirs) in pairs.items()
        if ours != theirs
    }


def grouped(records: list[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.key, []).append(record)
    return groups
