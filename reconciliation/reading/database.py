"""Streams and sums selects of the platform's database over a connection of its own; it never writes.

Both sides of a job are read in one transaction, so that they are seen at the same instant: REPEATABLE READ, READ ONLY,
with a server-side cursor for each.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connections
from psycopg.rows import dict_row

from reconciliation.core.buckets import PARTS, BucketSum
from reconciliation.jobs.spec import SideSpec
from reconciliation.registry import Select

_FETCHED = 5_000
_SESSION = (
    "set transaction isolation level repeatable read, read only",
    "set local enable_seqscan = on",
    "set local idle_in_transaction_session_timeout = 0",
    "set local cursor_tuple_fraction = 1",
    "set local timezone = 'UTC'",
)


class Snapshot:
    """One transaction over a connection of its own, in which everything is read."""

    def __init__(self, raw: Any) -> None:  # Any: psycopg's connection, as Django configures it
        self._raw = raw
        self._cursors = 0

    def stream(self, sql: str, params: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        """This will give the rows of a select as they are asked for, from a server-side cursor."""
        self._cursors += 1
        with self._raw.cursor(name=f"reconcile_{self._cursors}", row_factory=dict_row) as cursor:
            cursor.itersize = _FETCHED
            cursor.execute(sql, params)
            yield from cursor

    def rows(self, sql: str, params: Mapping[str, object]) -> Iterator[Sequence[Any]]:  # Any: of any type
        """This will give the rows of a small select."""
        with self._raw.cursor() as cursor:
            yield from cursor.execute(sql, params)


@contextmanager
def snapshot() -> Iterator[Snapshot]:
    """This will open the transaction, and close its connection at the end."""
    own = connections["default"].copy()
    try:
        own.ensure_connection()
        raw: Any = own.connection  # Any: psycopg's connection
        with raw.transaction():
            for statement in _SESSION:
                raw.execute(statement)
            yield Snapshot(raw)
    finally:
        own.close()


@dataclass(frozen=True, slots=True)
class Selected:
    """One side as a select of the platform's database. Names of columns are quoted, values are parameters.

    It is read within a snapshot, which it is given before.
    """

    select: Select
    side: SideSpec
    prefix: str
    snapshot: Snapshot | None = None

    def rows(self, *, buckets: int = 0, only: Collection[int] = ()) -> Iterator[Mapping[str, Any]]:
        """This will stream rows in ascending order of keys: all, or those of some buckets."""
        where, params = "", self._params()
        if buckets:
            where = f"where {self._bucket(buckets)} = any(%(_buckets)s)"
            params = {**params, "_buckets": sorted(only)}
        sql = f'select * from ({self._sql()}) as source {where} order by {self._key()} collate "C"'  # noqa: S608
        return self._within.stream(sql, params)

    def count(self) -> int:
        """This will count the rows."""
        sql = f"select count(*) from ({self._sql()}) as source"  # noqa: S608 - columns are quoted
        ((found,),) = self._within.rows(sql, self._params())
        return int(found)

    def sums(self, *, buckets: int) -> Mapping[int, BucketSum]:
        """This will have the database sum over buckets, as `core.buckets` does. A row without a key is in bucket -1.

        Keys are told apart by 60 bits of their hash, which sort faster than text does; two that share them make their
        bucket one that is read. `offset 0` has each hash computed once.
        """
        parts = " || ".join([_part(self._key()), *(_part(_text(name)) for one in self.side.columns for name in one)])
        columns = f"md5({self._key()}) as key, md5({parts}) as digest"
        hashed = f"select {columns} from ({self._sql()}) as source offset 0"  # noqa: S608 - columns are quoted
        bucket = f"coalesce({_bucket('key', buckets)}, -1)"
        sums = f"select {bucket}, count(*), count(distinct {_number('key', 15)}), sum({_number('digest', 15)})"
        sql = f"{sums} from ({hashed}) as hashed group by 1"
        found = self._within.rows(sql, self._params())
        return {bucket: BucketSum(rows, keys, int(digest)) for bucket, rows, keys, digest in found}

    @property
    def _within(self) -> Snapshot:
        assert self.snapshot is not None, "selects are read within a snapshot"
        return self.snapshot

    def _bucket(self, buckets: int) -> str:
        return _bucket(f"md5({self._key()})", buckets)

    def _key(self) -> str:
        return "(" + f" || E'\\x{ord(PARTS):02x}' || ".join(_text(name) for name in self.side.key) + ")"

    def _sql(self) -> str:
        return self.select.sql

    def _params(self) -> Mapping[str, object]:
        params = self.select.params
        return params if isinstance(params, Mapping) else {}


def _text(name: str) -> str:
    """A column as text; a percent sign in its name would be taken for a parameter."""
    quoted = name.replace('"', '""').replace("%", "%%")
    return f'source."{quoted}"::text'


def _bucket(hashed: str, buckets: int) -> str:
    return f"mod({_number(hashed, 8)}, {buckets})::int"


def _number(hashed: str, digits: int) -> str:
    """The first digits of a hash, as a number."""
    return f"('x' || substr({hashed}, 1, {digits}))::bit({4 * digits})::bigint"


def _part(text: str) -> str:
    return f"coalesce(length({text}) || ':' || {text}, '-')"
