"""Sources and repairs for tests of reconciliation: books in memory, each job with a pair of its own."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciliation.registry import Select, source
from workflows.registry import function


@dataclass
class Books:
    """What both sides of a job say, by key, and which repairs were called with which keys."""

    left: dict[str, dict[str, object]] = field(default_factory=dict)
    right: dict[str, dict[str, object]] = field(default_factory=dict)
    repeated: list[dict[str, object]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    breaks_at: str = ""


BOOKS: dict[str, Books] = {}


@source
def ledger(book: str, side: str) -> Iterator[Mapping[str, object]]:
    """Gives the records of one side in the order they were written."""
    books = BOOKS[book]
    for key, values in (books.left if side == "left" else books.right).items():
        if key == books.breaks_at:
            raise OSError("the process dies here")
        yield {"id": key, **values}
    if side == "right":
        yield from books.repeated


@source
def series(rows: int, changed: int, lacking: int, twice: int) -> Select:
    """Gives so many rows out of the database, with faults by their numbers."""
    sql = (
        "select 'k' || n as id, case when n <= %(changed)s then n + 1 else n end as cents, 'EUR' as currency "
        "from generate_series(1, %(rows)s) as n where n > %(lacking)s or n <= %(changed)s "
        "union all select 'k' || n, n, 'EUR' from generate_series(%(rows)s - %(twice)s + 1, %(rows)s) as n"
    )
    return Select(sql=sql, params={"rows": rows, "changed": changed, "lacking": lacking + changed, "twice": twice})


@function
def book_right(book: str, key: str, record: dict[str, object] | None, repair: str) -> None:
    """Makes the right side what it should be."""
    books = BOOKS[book]
    books.calls.append(repair)
    books.right.pop(key, None)
    if record is not None:
        books.right[key] = {name: value for name, value in record.items() if name != "id"}


@function
def take_back(book: str, key: str) -> None:
    """Undoes what `book_right` did."""
    BOOKS[book].right.pop(key, None)


@source
def gated(began: str, gate: str) -> Iterator[Mapping[str, object]]:
    """Gives one record, says so in a file, and gives another one when the gate is there."""
    yield {"id": "a", "total": 1}
    with Path(began).open("a") as file:
        file.write("begun\n")
    until = time.monotonic() + 30
    while not Path(gate).exists() and time.monotonic() < until:
        time.sleep(0.02)
    yield {"id": "b", "total": 2}


@source
def alone() -> list[Mapping[str, object]]:
    """Gives one record."""
    return [{"id": "a", "total": 3}]
