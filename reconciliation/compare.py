"""Finds every difference between two sorted streams of records in bounded memory; it never does I/O."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, assert_never

Value: TypeAlias = str | int | None


class Side(StrEnum):
    """Which of the two streams is meant."""

    LEFT = "left"
    RIGHT = "right"


class VarianceKind(StrEnum):
    """What is different about a key."""

    MISSING_LEFT = "missing_left"
    MISSING_RIGHT = "missing_right"
    DUPLICATE_LEFT = "duplicate_left"
    DUPLICATE_RIGHT = "duplicate_right"
    FIELD = "field"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing on one side: what identifies it, and what must be the same on both sides.

    Keys are ordered by code point. Money belongs into `fields` as an integer of minor units.
    """

    key: str
    fields: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variance:
    """One difference. `field`, `left` and `right` are set for FIELD alone.

    `occurrences` is how often the key stands on the side of a DUPLICATE (2 or more), else 1.
    """

    kind: VarianceKind
    key: str
    field: str | None = None
    left: Value = None
    right: Value = None
    occurrences: int = 1

    def __str__(self) -> str:
        match self.kind:
            case VarianceKind.FIELD:
                return f"{self.key}: {self.field} is {self.left!r} left, {self.right!r} right"
            case VarianceKind.MISSING_LEFT | VarianceKind.MISSING_RIGHT:
                return f"{self.key}: {self.kind.value.replace('_', ' ')}"
            case VarianceKind.DUPLICATE_LEFT | VarianceKind.DUPLICATE_RIGHT:
                return f"{self.key}: {self.kind.value.replace('_', ' ')}, {self.occurrences} times"
            case _:
                assert_never(self.kind)


class NotSorted(ValueError):
    """A stream is not in ascending order of its keys, so that it cannot be merged with the other."""

    def __init__(self, *, side: Side, previous: str, key: str) -> None:
        super().__init__(
            f"{side.value} stream: key {key!r} comes after {previous!r}; sort the stream by key, ascending"
        )
        self.side = side
        self.previous = previous
        self.key = key


def compare(*, left: Iterable[Record], right: Iterable[Record]) -> Iterator[Variance]:
    """This will yield every difference between two streams, in ascending order of keys.

    Both streams must be sorted by key, ascending; a key may repeat. Each stream is read once and one record
    of each is held. Of a repeated key the first record is compared, and its number of occurrences is
    reported as one DUPLICATE. A field that one side lacks counts as None there.

    Raises NotSorted as soon as a stream breaks its order.

    >>> [str(v) for v in compare(left=[Record(key="a")], right=[Record(key="a"), Record(key="a")])]
    ['a: duplicate right, 2 times']
    """
    lefts = _grouped(left, side=Side.LEFT)
    rights = _grouped(right, side=Side.RIGHT)
    a, b = next(lefts, None), next(rights, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a.record.key < b.record.key):
            assert a is not None  # the loop's condition: one of the two is there
            yield from _only_on(Side.LEFT, group=a)
            a = next(lefts, None)
        elif a is None or b.record.key < a.record.key:
            yield from _only_on(Side.RIGHT, group=b)
            b = next(rights, None)
        else:
            yield from _on_both(left=a, right=b)
            a, b = next(lefts, None), next(rights, None)


@dataclass(frozen=True, slots=True)
class _Group:
    """The records of one key on one side: the first of them, and how many there are."""

    record: Record
    occurrences: int


def _grouped(records: Iterable[Record], *, side: Side) -> Iterator[_Group]:
    """This will fold neighbours of the same key into one, holding one record at a time."""
    held: Record | None = None
    occurrences = 0
    for record in records:
        if held is not None and record.key < held.key:
            raise NotSorted(side=side, previous=held.key, key=record.key)
        if held is not None and record.key == held.key:
            occurrences += 1
            continue
        if held is not None:
            yield _Group(held, occurrences)
        held, occurrences = record, 1
    if held is not None:
        yield _Group(held, occurrences)


def _only_on(side: Side, *, group: _Group) -> Iterator[Variance]:
    missing = VarianceKind.MISSING_RIGHT if side is Side.LEFT else VarianceKind.MISSING_LEFT
    yield Variance(kind=missing, key=group.record.key)
    yield from _duplicates(side, group=group)


def _on_both(*, left: _Group, right: _Group) -> Iterator[Variance]:
    yield from _duplicates(Side.LEFT, group=left)
    yield from _duplicates(Side.RIGHT, group=right)
    for name in sorted(left.record.fields.keys() | right.record.fields.keys()):
        ours, theirs = left.record.fields.get(name), right.record.fields.get(name)
        if ours != theirs:
            yield Variance(kind=VarianceKind.FIELD, key=left.record.key, field=name, left=ours, right=theirs)


def _duplicates(side: Side, *, group: _Group) -> Iterator[Variance]:
    if group.occurrences > 1:
        kind = VarianceKind.DUPLICATE_LEFT if side is Side.LEFT else VarianceKind.DUPLICATE_RIGHT
        yield Variance(kind=kind, key=group.record.key, occurrences=group.occurrences)
