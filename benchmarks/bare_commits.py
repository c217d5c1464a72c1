"""The floor of the durable rows: what PostgreSQL and a bare driver need for the commits alone.

A step is three writes that are durable together: the step's row, its audit event, the run's place. Three ways to
send them are known (statement by statement, pipelined, as one statement); the fastest one here is the floor.
"""

import multiprocessing
import time
import uuid
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import psycopg
from psycopg.types.json import Jsonb

_TABLES = """
create schema if not exists bare;
create table if not exists bare.run (
    id uuid primary key, workflow_name text not null, state text not null, position smallint not null,
    input jsonb, correlation_id text not null, created_at timestamptz not null, updated_at timestamptz
) with (fillfactor = 80);
create table if not exists bare.step (
    run_id uuid not null, step text not null, state text not null, output jsonb, error jsonb,
    attempts smallint not null, started_at timestamptz, ended_at timestamptz not null, primary key (run_id, step)
);
create table if not exists bare.audit (
    id bigint generated always as identity primary key, at timestamptz not null, kind text not null,
    actor text not null, subject_type text not null, subject_id text not null, correlation_id text not null,
    payload text not null, digest bytea not null
);
create index if not exists audit_subject on bare.audit (subject_id, id);
create table if not exists bare.item (
    run_id uuid not null, step text not null, index integer not null, state text not null, value jsonb,
    output jsonb, attempt smallint not null, started_at timestamptz, ended_at timestamptz,
    primary key (run_id, step, index)
);
"""
_RUN = """
insert into bare.run values (%s, 'bench', 'running', 0, null, %s, now(), now())
"""
_STEP = """
insert into bare.step values (%(run)s, %(step)s, 'succeeded', %(output)s, null, 1, now(), now())
"""
_AUDIT = """
insert into bare.audit (at, kind, actor, subject_type, subject_id, correlation_id, payload, digest)
values (now(), 'step.succeeded', 'engine', 'run', %(subject)s, %(subject)s, %(payload)s, %(digest)s)
"""
_MOVE = """
update bare.run set position = %(position)s, updated_at = now() where id = %(run)s
"""
_TOGETHER = f"with step as ({_STEP}), audit as ({_AUDIT}) {_MOVE}"
_ITEM = """
insert into bare.item values (%s, 'book', %s, 'succeeded', %s, %s, 1, now(), now())
"""
_PAYLOAD = (
    '{"attempt":1,"output_sha256":"5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9","step":"s0"}'
)
_DIGEST = bytes(range(32))

Params = dict[str, object]
Driver = psycopg.Connection[tuple[object, ...]]
Form = Callable[[Driver, Sequence[Params]], None]


def make_tables(url: str) -> None:
    """This will create the tables of the floor, once."""
    with psycopg.connect(url) as connection:
        connection.execute(_TABLES)


def steps_of_run(connection: Driver, *, steps: int) -> Sequence[Params]:
    """This will begin a bare run and give the parameters of its steps."""
    run = uuid.uuid4()
    connection.execute(_RUN, [run, str(run)])
    connection.commit()
    return [
        {
            "run": run,
            "step": f"s{number}",
            "output": Jsonb(0),
            "subject": str(run),
            "payload": _PAYLOAD,
            "digest": _DIGEST,
            "position": number,
        }
        for number in range(steps)
    ]


def statement_by_statement(connection: Driver, steps: Sequence[Params]) -> None:
    """This will commit each step as a transaction of three statements, each answered before the next."""
    for step in steps:
        for statement in (_STEP, _AUDIT, _MOVE):
            connection.execute(statement, step, prepare=True)
        connection.commit()


def pipelined(connection: Driver, steps: Sequence[Params]) -> None:
    """This will commit each step as a transaction of three statements that travel together."""
    for step in steps:
        with connection.pipeline():
            for statement in (_STEP, _AUDIT, _MOVE):
                connection.execute(statement, step, prepare=True)
            connection.commit()


def as_one_statement(connection: Driver, steps: Sequence[Params]) -> None:
    """This will commit each step as one statement that writes all three rows."""
    connection.autocommit = True
    for step in steps:
        connection.execute(_TOGETHER, step, prepare=True)
    connection.autocommit = False


FORMS: tuple[Form, ...] = (statement_by_statement, pipelined, as_one_statement)


class ItemWriters:
    """Processes that each commit items one by one; all begin together."""

    def __init__(self, *, url: str, processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_write_items, args=(url, theirs), daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(10)

    def seconds_for(self, items: int) -> float:
        """This will have `items` committed, shared evenly, and say how long that took."""
        began = time.perf_counter()
        for pipe in self._pipes:
            pipe.send(items // len(self._pipes))
        for pipe in self._pipes:
            pipe.recv()
        return time.perf_counter() - began


def _write_items(url: str, pipe: Connection) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        pipe.send("ready")
        while True:
            try:
                count = pipe.recv()
            except EOFError:
                return
            run = uuid.uuid4()
            for index in range(count):
                connection.execute(_ITEM, [run, index, Jsonb(index), Jsonb(index)], prepare=True)
            pipe.send("done")
