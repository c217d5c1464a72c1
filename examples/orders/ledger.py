"""Keeps what an outside system has done, in one SQLite file of its own; it never decides what to do.

One process writes, from one thread. Every change of one request commits together.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE,
    order_id TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    payload TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entries_by_order ON entries (kind, order_id, amount_cents);
CREATE TABLE IF NOT EXISTS idempotency_keys (
    idempotency_key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    requests INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tallies (
    name TEXT PRIMARY KEY,
    occurrences INTEGER NOT NULL,
    amount_cents INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What a request wants to be written."""

    kind: str
    idempotency_key: str
    order_id: str
    amount_cents: int
    payload: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What has been written. `is_repeat` tells that it already stood there when it was posted."""

    id: int
    order_id: str
    amount_cents: int
    payload: Mapping[str, str]
    is_repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often something happened, and the money it concerned."""

    occurrences: int
    amount_cents: int


class OtherPayload(Exception):
    """An idempotency key came again with another payload."""


class Ledger:
    """The file of one outside system."""

    def __init__(self, *, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        """This will close the file; what was committed stays."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """This will commit what is written inside together, or nothing of it when an error leaves it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def note_request(self, *, idempotency_key: str, fingerprint: str) -> int:
        """This will count a request and return its number among those with the same key, from 1.

        Raises OtherPayload when the key belongs to another payload.
        """
        nth, known = self._connection.execute(
            "INSERT INTO idempotency_keys VALUES (?, ?, 1) "
            "ON CONFLICT (idempotency_key) DO UPDATE SET requests = requests + 1 "
            "RETURNING requests, fingerprint",
            (idempotency_key, fingerprint),
        ).fetchone()
        if known != fingerprint:
            raise OtherPayload
        return int(nth)

    def post(self, posting: Posting, *, now: str) -> Entry:
        """This will write an entry, or return the one that its idempotency key has written before."""
        row = self._connection.execute(
            "INSERT INTO entries (kind, idempotency_key, order_id, amount_cents, payload, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (idempotency_key) DO NOTHING RETURNING id",
            (
                posting.kind,
                posting.idempotency_key,
                posting.order_id,
                posting.amount_cents,
                json.dumps(dict(posting.payload)),
                now,
            ),
        ).fetchone()
        is_repeat = row is None
        if is_repeat:
            row = self._connection.execute(
                "SELECT id FROM entries WHERE idempotency_key = ?", (posting.idempotency_key,)
            ).fetchone()
        return Entry(
            id=row[0],
            order_id=posting.order_id,
            amount_cents=posting.amount_cents,
            payload=posting.payload,
            is_repeat=is_repeat,
        )

    def tally(self, name: str, *, amount_cents: int) -> None:
        """This will count one more occurrence of something worth a report."""
        self._connection.execute(
            "INSERT INTO tallies VALUES (?, 1, ?) ON CONFLICT (name) DO UPDATE "
            "SET occurrences = occurrences + 1, amount_cents = amount_cents + excluded.amount_cents",
            (name, amount_cents),
        )

    def tallies(self) -> dict[str, Tally]:
        """This will return all that was counted, by name."""
        rows = self._connection.execute("SELECT * FROM tallies ORDER BY name")
        return {name: Tally(occurrences=n, amount_cents=cents) for name, n, cents in rows}

    def requests(self) -> int:
        """This will return how many requests with a key there were."""
        row = self._connection.execute("SELECT coalesce(sum(requests), 0) FROM idempotency_keys")
        return int(row.fetchone()[0])

    def totals(self, *, kind: str) -> Tally:
        """This will return the number and the money of all entries of a kind."""
        row = self._connection.execute(
            "SELECT count(*), coalesce(sum(amount_cents), 0) FROM entries WHERE kind = ?", (kind,)
        ).fetchone()
        return Tally(occurrences=row[0], amount_cents=row[1])

    def doubled_orders(self, *, kind: str) -> int:
        """This will return how many orders have more than one entry of a kind."""
        row = self._connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM entries WHERE kind = ? GROUP BY order_id HAVING count(*) > 1)",
            (kind,),
        ).fetchone()
        return int(row[0])

    def entries_after(self, *, kind: str, after: int, limit: int) -> list[Entry]:
        """This will return entries of a kind whose ids are above `after`, oldest first."""
        rows = self._connection.execute(
            "SELECT id, order_id, amount_cents, payload FROM entries WHERE kind = ? AND id > ? ORDER BY id LIMIT ?",
            (kind, after, limit),
        )
        return [_entry(row) for row in rows]

    def correct(self, *, kind: str, order_id: str, posting: Posting | None) -> None:
        """This will make the entries of an order what `posting` says, or take them away when there is none."""
        if posting is None:
            self._connection.execute("DELETE FROM entries WHERE kind = ? AND order_id = ?", (kind, order_id))
            return
        self._connection.execute(
            "UPDATE entries SET amount_cents = ?, payload = ? WHERE kind = ? AND order_id = ?",
            (posting.amount_cents, json.dumps(dict(posting.payload)), kind, order_id),
        )

    def entries_of_order(self, *, kind: str, order_id: str) -> list[Entry]:
        """This will return the entries of an order, oldest first."""
        rows = self._connection.execute(
            "SELECT id, order_id, amount_cents, payload FROM entries WHERE kind = ? AND order_id = ? ORDER BY id",
            (kind, order_id),
        )
        return [_entry(row) for row in rows]


def read_amounts(*, path: Path, kind: str) -> Iterator[tuple[str, int]]:
    """This will stream (order id, cents) of every entry of a kind from a ledger's file, by order id.

    The file is opened for reading alone. Raises sqlite3.OperationalError when there is no such ledger.
    """
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        yield from connection.execute(
            "SELECT order_id, amount_cents FROM entries WHERE kind = ? ORDER BY order_id, amount_cents",
            (kind,),
        )


def _entry(row: tuple[int, str, int, str]) -> Entry:
    return Entry(id=row[0], order_id=row[1], amount_cents=row[2], payload=json.loads(row[3]))
