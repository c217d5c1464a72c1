"""Reads and sums a select over a connection, through the adapter `sql.query`; it sorts nothing.

Pages follow the key in the database's own order, so that its index serves them, whatever it takes for the same: a page
begins with what is as large as the end of the page before, and what was given already is passed over. There is no
snapshot over the pages: what is changed meanwhile is seen as it was or as it is.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciliation.core.buckets import BucketSum
from reconciliation.core.window import Window
from reconciliation.errors import SourceFailed
from reconciliation.jobs.meaning import PARAMETER
from reconciliation.jobs.spec import SideSpec
from reconciliation.reading.calls import Caller
from reconciliation.reading.dialects import SOURCE, Dialect
from reconciliation.reading.pages import bounds

MOST_BUCKETS = 8_192
"""The sums over so many fit into one answer."""
PAGE = 1_000
_LARGEST_PAGE = 100_000
_TIED = "reconcile_tied"
_AFTER = "reconcile_after"
_BUCKETS = "reconcile_buckets"
_Row = dict[str, object]
_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """One side as a select over a connection. Names of columns are quoted, values are parameters."""

    options: Mapping[str, Any]  # Any: the schema says what they hold
    side: SideSpec
    window: Window | None
    dialect: Dialect
    caller: Caller
    page: int

    def rows(self, *, buckets: int = 0, only: Collection[int] = ()) -> Iterator[_Row]:
        """This will give rows, all or those of some buckets, in the database's order of keys.

        Raises CallFailed, and SourceFailed where the database does not find a key again by its value.
        """
        last: _Key | None = None
        given: Counter[_Key] = Counter()
        limit = self.page
        if not buckets:  # sums have looked already
            self._check_keys()
        while True:
            rows = self._asked(self._page(last=last, buckets=buckets), last=last, only=only, most=limit)
            tied = sum(1 for row in rows if row[_TIED])
            is_full = len(rows) == limit
            if last is not None and tied == limit:  # a larger page shows where the next key begins
                limit = self._larger(limit, last=last)
                continue
            if last is not None and last not in {self._key_of(row) for row in rows[:tied]}:
                raise SourceFailed(_lost(last), side=self.caller.side)
            keys = [self._key_of(row) for row in rows]
            for key, row in zip(keys, rows, strict=True):
                if (
                    row.pop(_TIED) and given[key] > 0
                ):  # of a key that stands there more often, as many as there are more
                    given[key] -= 1
                else:
                    yield row
            if not is_full:
                return
            last, given = keys[-1], Counter(keys)
            limit = self.page

    def count(self) -> int:
        """This will count the rows."""
        (row,) = self._called(f"select count(*) as n from ({self._query()}) as {SOURCE}", params={}, most=1)  # noqa: S608
        return int(str(row["n"]))

    def sums(self, *, buckets: int) -> Mapping[int, BucketSum]:
        """This will have the database sum over buckets, as `core.buckets` does. A row without a key is in bucket -1."""
        dialect, side = self.dialect, self.side
        key, bucket = dialect.key(side), dialect.bucket(side, buckets=buckets)
        hashed = (
            f"select coalesce({bucket}, -1) as b, {dialect.bytes_of(key)} as k, {dialect.digest(side)} as d "  # noqa: S608
            f"from ({self._query()}) as {SOURCE}"
        )
        sql = f"select b, count(*) as r, count(distinct k) as k, sum(d) as d from ({hashed}) as hashed group by b"  # noqa: S608
        found = self._called(sql, params={}, most=buckets + 1)
        return {_int(row["b"]): BucketSum(_int(row["r"]), _int(row["k"]), _int(row["d"])) for row in found}

    def _check_keys(self) -> None:
        """A row without its key lies behind no other, so that no page would find it."""
        lacking = " or ".join(f"{self.dialect.column(name)} is null" for name in self.side.key)
        sql = f"select count(*) as n from ({self._query()}) as {SOURCE} where {lacking}"  # noqa: S608
        (row,) = self._called(sql, params={}, most=1)
        if _int(row["n"]):
            raise SourceFailed(f"{row['n']} rows have no key: every record needs one", side=self.caller.side)

    def _page(self, *, last: _Key | None, buckets: int) -> str:
        columns = [self.dialect.column(name) for name in self.side.key]
        conditions = [f"{self.dialect.bucket(self.side, buckets=buckets)} in :{_BUCKETS}"] if buckets else []
        tied = "1 = 0"
        if last is not None:
            conditions.append(_from(columns))
            tied = " and ".join(f"{column} = :{_AFTER}_{index}" for index, column in enumerate(columns))
        where = f"where {' and '.join(conditions)} " if conditions else ""
        return (
            f"select {SOURCE}.*, case when {tied} then 1 else 0 end as {_TIED} from ({self._query()}) as {SOURCE} "  # noqa: S608
            f"{where}order by {', '.join(columns)} limit "
        )

    def _asked(self, sql: str, *, last: _Key | None, only: Collection[int], most: int) -> list[_Row]:
        params: dict[str, object] = {f"{_AFTER}_{index}": value for index, value in enumerate(last or ())}
        if only:
            params[_BUCKETS] = sorted(only)
        return self._called(f"{sql}{most}", params=params, most=most)

    def _called(self, sql: str, *, params: Mapping[str, object], most: int) -> list[_Row]:
        bound = {**self._named(), **params}
        output = self.caller.call(uses="sql.query", inputs={"sql": sql, "params": bound, "max_rows": most})
        found: list[_Row] = output["rows"]
        return found

    def _query(self) -> str:
        return str(self.options["query"]).rstrip().rstrip(";")

    def _named(self) -> Mapping[str, object]:
        known = {**bounds(self.window), **self.options.get("params", {})}
        return {name: known[name] for name in set(PARAMETER.findall(self._query())) if name in known}

    def _key_of(self, row: _Row) -> _Key:
        return tuple(row[name] for name in self.side.key)

    def _larger(self, limit: int, *, last: _Key) -> int:
        if limit == _LARGEST_PAGE:
            raise SourceFailed(f"more than {_LARGEST_PAGE} rows have the key {_shown(last)}", side=self.caller.side)
        return min(2 * limit, _LARGEST_PAGE)


def _lost(last: _Key) -> str:
    return (
        f"the key {_shown(last)} is not found again by its value: its row was deleted meanwhile, or the column has "
        "no text that the database reads back; select the key as text"
    )


def _from(columns: list[str]) -> str:
    """From a key on, in the order of its parts; said so that an index over them is used, also by MariaDB."""
    first = f"{columns[0]} >= :{_AFTER}_0"
    if len(columns) == 1:
        return first
    ways = []
    for index, column in enumerate(columns):
        same = [f"{before} = :{_AFTER}_{place}" for place, before in enumerate(columns[:index])]
        sign = ">=" if index == len(columns) - 1 else ">"
        ways.append(" and ".join([*same, f"{column} {sign} :{_AFTER}_{index}"]))
    return f"{first} and (({') or ('.join(ways)}))"


def _shown(key: _Key) -> str:
    return " · ".join(map(str, key))[:100]


def _int(value: object) -> int:
    return int(str(value))
