"""A small history of its own, divided by month like that of runs; and a cleaner of it that can be killed."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from django.db import connection, transaction

from audit.events import Actor, ActorKind
from retention import division, operations, partitions, queries
from retention.classes import DataClass, Divided
from retention.core.months import KeyKind, Month
from retention.operations import Gone, cleaning
from workflows.core import identity

ACTOR = Actor(kind=ActorKind.SYSTEM, id="test")
NOW = datetime(2027, 3, 15, tzinfo=UTC)
NOVEMBER, DECEMBER, JANUARY = Month(2026, 11), Month(2026, 12), Month(2027, 1)


class History:
    """Two divided tables of their own, like those of runs and steps: three months kept, or as many as said."""

    def __init__(self, *, run: str, step: str) -> None:
        self.run, self.step, self.months = run, step, 1
        month = f"from {run} where id >= %(begin)s::uuid and id < %(end)s::uuid"
        self.data = DataClass(
            name=run,
            kind=KeyKind.UUID7,
            tables=(Divided(name=run, key="id", match="id"), Divided(name=step, key="run_id", match="run_id")),
            months=lambda: self.months,
            busy=f"select count(*) {month} and state = 'running'",
            kept=f"select id {month} and (id::text = any(%(runs)s::text[]) or name = any(%(workflows)s::text[])"
            " or tag = any(%(correlations)s::text[]))",
            tidy=((f"{run}_key", "run_id"),),
        )

    @classmethod
    def made(cls) -> "History":
        """This will make its tables, with the months from November 2026 to April 2027."""
        history = cls(run=f"made_{uuid4().hex[:8]}", step=f"part_{uuid4().hex[:8]}")
        execute(
            f"create table {history.run} (id uuid primary key, state text not null, name text not null, tag text)",
            f"create table {history.step} (run_id uuid, step text, primary key (run_id, step))",
            f"create table {history.run}_key (key text primary key, run_id uuid)",
        )
        for table, key, primary_key in ((history.run, "id", ["id"]), (history.step, "run_id", ["run_id", "step"])):
            at = datetime(2026, 10, 1, tzinfo=UTC)
            division.divide(table, key=key, kind=KeyKind.UUID7, primary_key=primary_key, now=at)
            with transaction.atomic():
                for month in (Month(2027, 2), Month(2027, 3), Month(2027, 4)):
                    partitions.add_month(table, kind=KeyKind.UUID7, month=month)
        return history

    def drop(self) -> None:
        """This will drop its tables and release its holds."""
        for hold in queries.active_holds(now=NOW).filter(reason=self.run):
            operations.release_hold(hold_id=hold.id, reason="over", actor=ACTOR, now=NOW)
        execute(*(f"drop table {name} cascade" for name in (self.run, self.step, f"{self.run}_key")))

    def hold(self, *, scope: str, value: str) -> int:
        """This will keep some of it."""
        placed = operations.place_hold(scope=scope, value=value, reason=self.run, actor=ACTOR, now=NOW)
        return int(placed.id)

    def add(self, month: Month, *, state: str = "succeeded", name: str = "any", tag: str = "") -> UUID:
        """This will store a run of a day in a month, with two steps and a key."""
        at = month.begins_at + timedelta(days=9)
        run_id = identity.run_id(unix_ms=int(at.timestamp() * 1000), random_bytes=uuid4().bytes[:10])
        execute(
            f"insert into {self.run} values ('{run_id}', '{state}', '{name}', '{tag}')",
            f"insert into {self.step} values ('{run_id}', 'a'), ('{run_id}', 'b')",
            f"insert into {self.run}_key values ('{uuid4()}', '{run_id}')",
        )
        return run_id

    def left(self) -> set[UUID]:
        """This will be the runs that are there; each still has all that hangs on it, and nothing hangs on others."""
        runs = {run_id for (run_id,) in execute(f"select id from {self.run}")}
        assert sorted(execute(f"select run_id, step from {self.step}")) == sorted(
            (run_id, step) for run_id in runs for step in ("a", "b")
        )
        return {UUID(str(run_id)) for run_id in runs}

    def clean(self, *, now: datetime = NOW) -> Sequence[Gone]:
        """This will let go what may."""
        done = operations.clean(now=now, actor=ACTOR, classes=[self.data])
        assert done is not None
        return done

    def tables(self) -> set[str]:
        """This will be the names of all tables there are of it."""
        found = execute(f"select relname from pg_class where relkind = 'r' and relname ~ '^({self.run}|{self.step})_'")
        return {str(name) for (name,) in found}


def execute(*statements: str) -> Sequence[tuple[object, ...]]:
    """This will run statements and give the rows of the last."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def clean_and_stand_still(*, run: str, step: str, place: str, visit: int) -> None:
    """This will clean until it comes to a function of `cleaning` for the `visit`-th time, and never go on."""
    real, calls = getattr(cleaning, place), [place]

    def stand_still(*args: object, **rest: object) -> object:
        calls.append(place)
        if len(calls) <= visit:
            return real(*args, **rest)
        print("standing still", flush=True)
        while True:
            time.sleep(60)

    setattr(cleaning, place, stand_still)
    History(run=run, step=step).clean()
