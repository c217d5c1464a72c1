"""Holds processes at their worst moment: all of a change is done but its commit. Then they are killed.

Every change of the platform writes an audit event in its own transaction. A deferred trigger on the trail lets the
commit of a chosen event wait, whoever comes to it, for a lock that only the test lets go of.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import LiteralString

import orjson
import psycopg
from psycopg import sql

from tests.support.waiting import wait_until

_SPACE = 0x57A11
_LOCK = "lock table audit_event in access exclusive mode"
"""First of all: whoever writes the trail meanwhile would have one of its parts, and want another one."""
_INSTALL = f"""
create table if not exists standstill (key serial, kind text, subject text, payload jsonb);
create or replace function stand_still() returns trigger language plpgsql as $$
declare found_key int;
begin
    for found_key in
        select key from standstill
        where kind = new.kind and subject = new.subject_id and new.payload::jsonb @> payload
    loop
        perform pg_advisory_xact_lock_shared({_SPACE}, found_key);
    end loop;
    return null;
end $$;
create constraint trigger stand_still after insert on audit_event
    deferrable initially deferred for each row execute function stand_still();
"""
_REMOVE = """
drop trigger stand_still on audit_event;
drop function stand_still();
drop table standstill;
"""
_STANDING = f"select objid::int, pid from pg_locks where locktype = 'advisory' and not granted and classid = {_SPACE}"


@dataclass(frozen=True, slots=True)
class Stop:
    """A commit at which somebody shall stand still. `is_kept`: it takes place although its process is dead."""

    key: int
    kind: str
    subject: str
    payload: Mapping[str, object]
    is_kept: bool

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject} {dict(self.payload)}"


class Standstill:
    """The places where processes stand still; a context manager that leaves the database as it was."""

    def __init__(self) -> None:
        self._session = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        self._stops: dict[int, Stop] = {}

    def __enter__(self) -> "Standstill":
        self._change(_INSTALL)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._session.execute("select pg_advisory_unlock_all()")
        self._change(_REMOVE)
        self._session.close()

    def _change(self, statements: LiteralString) -> None:
        with self._session.transaction():
            self._session.execute(_LOCK)
            self._session.execute(statements)

    def at(self, kind: str, subject: object, *, payload: Mapping[str, object], is_kept: bool = False) -> Stop:
        """This will have whoever commits this event of this subject stand still, from now on."""
        row = self._session.execute(
            "insert into standstill (kind, subject, payload) values (%s, %s, %s) returning key",
            [kind, str(subject), orjson.dumps(payload).decode()],
        ).fetchone()
        assert row is not None
        self._session.execute("select pg_advisory_lock(%s, %s)", [_SPACE, row[0]])
        stop = Stop(row[0], kind, str(subject), payload, is_kept)
        self._stops[stop.key] = stop
        return stop

    def wait_for(self, *stops: Stop) -> None:
        """This will return when somebody stands at each of these."""
        wanted = {stop.key for stop in stops}
        what = f"somebody stands at {', '.join(map(str, stops))}"
        wait_until(lambda: self._standing().keys() >= wanted, what=what)

    def fall(self) -> None:
        """This will settle what the killed had begun: it is rolled back, or committed where it is kept.

        To be called when their processes are dead. Whoever comes later passes.
        """
        standing = self._standing()
        assert standing.keys() == self._stops.keys(), "they stand where they were killed"
        lost = [pid for key, pids in standing.items() if not self._stops[key].is_kept for pid in pids]
        self._session.execute("select pg_terminate_backend(pid) from unnest(%s::int[]) as pid", [lost])
        wait_until(lambda: not self._alive(lost), what="what was not committed is rolled back")
        self._session.execute("delete from standstill")
        self._session.execute("select pg_advisory_unlock_all()")
        everybody = [pid for pids in standing.values() for pid in pids]
        wait_until(lambda: not self._alive(everybody), what="the sessions of the dead have ended")
        self._stops.clear()

    def _standing(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for key, pid in self._session.execute(_STANDING).fetchall():
            found.setdefault(key, []).append(pid)
        return found

    def _alive(self, pids: list[int]) -> bool:
        query = "select exists (select from pg_stat_activity where pid = any(%s))"
        row = self._session.execute(query, [pids]).fetchone()
        return bool(row and row[0])


@contextmanager
def shut(table: str) -> Iterator[Callable[[], bool]]:
    """This will let nobody read a table; gives a condition: somebody wants to."""
    name = sql.Identifier(table)
    waiting = "select exists (select from pg_locks where not granted and relation = %s::regclass)"
    with psycopg.connect(os.environ["DATABASE_URL"]) as session:
        session.execute(sql.SQL("lock table {} in access exclusive mode").format(name))

        def is_wanted() -> bool:
            row = session.execute(waiting, [table]).fetchone()
            return bool(row and row[0])

        yield is_wanted
