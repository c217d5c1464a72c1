"""Finds every difference between two sorted streams of records in bounded memory; it never does I/O."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from reconciliation.core.comparators import Comparator
from reconciliation.core.counts import Counts
from reconciliation.core.record import Record, Side, Value


class VarianceKind(StrEnum):
    """What is different about a key."""

    MISSING_LEFT = "missing_left"
    MISSING_RIGHT = "missing_right"
    DUPLICATE_LEFT = "duplicate_left"
    DUPLICATE_RIGHT = "duplicate_right"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What must be the same on both sides, and how it is compared."""

    name: str
    comparator: Comparator


@dataclass(frozen=True, slots=True, kw_only=True)
class Variance:
    """One difference. `left` and `right` are the records that were compared, None where there is none.

    `fields` names what DIFFERS, `values` are the two values of each.
    `occurrences` is how often the key stands on the side of a DUPLICATE, else 1.
    """

    kind: VarianceKind
    key: str
    left: Record | None = None
    right: Record | None = None
    fields: tuple[str, ...] = ()
    values: tuple[tuple[Value, Value], ...] = ()
    occurrences: int = 1

    def __str__(self) -> str:
        said = f"{self.key}: {self.kind.value.replace('_', ' ')}"
        match self.kind:
            case VarianceKind.DIFFERS:
                pairs = zip(self.fields, self.values, strict=True)
                told = (f"{name} is {ours!r} left, {theirs!r} right" for name, (ours, theirs) in pairs)
                return f"{self.key}: {'; '.join(told)}"
            case VarianceKind.MISSING_LEFT | VarianceKind.MISSING_RIGHT:
                return said
            case VarianceKind.DUPLICATE_LEFT | VarianceKind.DUPLICATE_RIGHT:
                return f"{said}, {self.occurrences} times"
            case _:
                assert_never(self.kind)


class NotSorted(ValueError):
    """A stream is not in ascending order of its keys, so that it cannot be merged with the other."""

    def __init__(self, *, side: Side, previous: str, key: str, position: int) -> None:
        super().__init__(
            f"{side.value} stream: record {position} has the key {key!r} after {previous!r}; "
            "sort the stream by key, ascending by code point"
        )
        self.side = side
        self.previous = previous
        self.key = key
        self.position = position


@dataclass(slots=True)
class Comparison:
    """Compares two streams once; `counts` says how far it is, and adds up when it is done."""

    fields: Sequence[Field] = ()
    counts: Counts = field(default_factory=Counts)
    _plain: tuple[bool, ...] = field(default=(), init=False, repr=False)
    """Of which fields equal values are the same without a further look."""

    def compare(self, *, left: Iterable[Record], right: Iterable[Record]) -> Iterator[Variance]:
        """This will yield every difference between two streams, in ascending order of keys.

        Both must be sorted by key, ascending; a key may repeat. Each stream is read once and one record of each is
        held. Of a repeated key the first record is compared, and its number of occurrences is one DUPLICATE.
        Raises NotSorted as soon as a stream breaks its order.

        >>> found = Comparison().compare(left=[Record("a")], right=[Record("a"), Record("a")])
        >>> [str(variance) for variance in found]
        ['a: duplicate right, 2 times']
        """
        lefts = self._grouped(left, side=Side.LEFT)
        rights = self._grouped(right, side=Side.RIGHT)
        self._plain = tuple(one.comparator.is_plain for one in self.fields)
        is_plain = all(self._plain)
        a, b = next(lefts, None), next(rights, None)
        while a is not None and b is not None:
            ours, theirs = a[0], b[0]
            if ours.key == theirs.key:
                if a[1] == b[1] == 1 and is_plain and ours.values == theirs.values:  # nearly always
                    self.counts.equal += 1
                else:
                    yield from self._on_both(left=a, right=b)
                a, b = next(lefts, None), next(rights, None)
            elif ours.key < theirs.key:
                yield from self._only_on(Side.LEFT, group=a)
                a = next(lefts, None)
            else:
                yield from self._only_on(Side.RIGHT, group=b)
                b = next(rights, None)
        yield from self._rest(Side.LEFT, first=a, groups=lefts)
        yield from self._rest(Side.RIGHT, first=b, groups=rights)

    def _rest(self, side: Side, *, first: "_Group | None", groups: "Iterator[_Group]") -> Iterator[Variance]:
        while first is not None:
            yield from self._only_on(side, group=first)
            first = next(groups, None)

    def _grouped(self, records: Iterable[Record], *, side: Side) -> "Iterator[_Group]":
        """This will fold neighbours of the same key into one, holding one record at a time."""
        held: Record | None = None
        occurrences = 0
        for position, record in enumerate(records, start=1):
            if held is None or held.key < record.key:
                if held is not None:
                    self.counts.read(side, rows=occurrences)
                    yield held, occurrences
                held, occurrences = record, 1
            elif held.key == record.key:
                occurrences += 1
            else:
                raise NotSorted(side=side, previous=held.key, key=record.key, position=position)
        if held is not None:
            self.counts.read(side, rows=occurrences)
            yield held, occurrences

    def _only_on(self, side: Side, *, group: "_Group") -> Iterator[Variance]:
        record = group[0]
        if side is Side.LEFT:
            self.counts.only_left += 1
            yield Variance(kind=VarianceKind.MISSING_RIGHT, key=record.key, left=record)
        else:
            self.counts.only_right += 1
            yield Variance(kind=VarianceKind.MISSING_LEFT, key=record.key, right=record)
        yield from _duplicates(side, group=group)

    def _on_both(self, *, left: "_Group", right: "_Group") -> Iterator[Variance]:
        if left[1] > 1 or right[1] > 1:
            yield from _duplicates(Side.LEFT, group=left)
            yield from _duplicates(Side.RIGHT, group=right)
        ours, theirs = left[0], right[0]
        differing = [
            (one.name, (mine, other))
            for one, is_plain, mine, other in zip(self.fields, self._plain, ours.values, theirs.values, strict=True)
            if not (is_plain and mine == other) and not one.comparator.same(mine, other)
        ]
        if differing:
            self.counts.differing += 1
            yield Variance(
                kind=VarianceKind.DIFFERS,
                key=ours.key,
                left=ours,
                right=theirs,
                fields=tuple(name for name, _ in differing),
                values=tuple(values for _, values in differing),
            )
        else:
            self.counts.equal += 1


_Group = tuple[Record, int]
"""The records of one key on one side: the first of them, and how many there are."""


def _duplicates(side: Side, *, group: _Group) -> Iterator[Variance]:
    record, occurrences = group
    if occurrences == 1:
        return
    if side is Side.LEFT:
        yield Variance(kind=VarianceKind.DUPLICATE_LEFT, key=record.key, left=record, occurrences=occurrences)
    else:
        yield Variance(kind=VarianceKind.DUPLICATE_RIGHT, key=record.key, right=record, occurrences=occurrences)
