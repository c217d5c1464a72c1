"""Which parts of two sources need no reading, as both have the same sums over them; pure.

Keys fall into buckets by their hash. Each side sums over a bucket, where its data is: rows, different keys, and the
hashes of its rows. Equal sums mean equal rows, but for one chance in 2**60. A bucket in which
a key repeats is read always: what is twice on both sides is still wrong twice.

A source that sums by itself must do what `bucket_of` and `row_digest` do.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reconciliation.core.record import Record, as_text

PARTS = "\x1f"
"""Between the parts of a key: the unit separator of ASCII, which no text of a business holds."""
ROWS_PER_BUCKET = 16
MOST = 65_536


class BucketSum(NamedTuple):
    """The sums over one bucket of one side; `digest` adds up the digests of its rows."""

    rows: int
    keys: int
    digest: int


def buckets_for(rows: int, *, most: int = MOST) -> int:
    """This will say into how many buckets so many rows are divided: a power of two.

    >>> buckets_for(0), buckets_for(1_000_000)
    (1, 65536)
    """
    wanted = max(1, min(most, rows // ROWS_PER_BUCKET))
    return 1 << (wanted - 1).bit_length()


def bucket_of(key: str, *, buckets: int) -> int:
    """This will give the bucket of a key: the first 32 bits of its MD5 in UTF-8, modulo the number of buckets."""
    return int(hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()[:8], 16) % buckets


def row_digest(record: Record) -> int:
    """This will give 60 bits of the MD5 of a row: each value with its length before it, and `-` for none.

    >>> row_digest(Record("a", (1,))) == row_digest(Record("a", ("1",)))
    True
    """
    written = "".join(_part(as_text(part)) for value in record.values for part in _parts(value))
    text = _part(record.key) + written
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:15], 16)


def summed(records: Iterable[Record], *, buckets: int) -> Mapping[int, BucketSum]:
    """This will sum over records as a source does."""
    keys: dict[int, set[str]] = {}
    sums: dict[int, BucketSum] = {}
    for record in records:
        bucket = bucket_of(record.key, buckets=buckets)
        known = keys.setdefault(bucket, set())
        known.add(record.key)
        before = sums.get(bucket, BucketSum(0, 0, 0))
        sums[bucket] = BucketSum(before.rows + 1, len(known), before.digest + row_digest(record))
    return sums


def unequal(left: Mapping[int, BucketSum], right: Mapping[int, BucketSum]) -> frozenset[int]:
    """This will name the buckets that must be read."""
    return frozenset(bucket for bucket in left.keys() | right.keys() if not _is_settled(bucket, left, right))


def _is_settled(bucket: int, left: Mapping[int, BucketSum], right: Mapping[int, BucketSum]) -> bool:
    ours, theirs = left.get(bucket), right.get(bucket)
    return ours is not None and ours == theirs and ours.rows == ours.keys


def _parts(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _part(text: str | None) -> str:
    return "-" if text is None else f"{len(text)}:{text}"
