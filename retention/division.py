"""Turns a plain table into one divided by month, without copying a row; used by migrations.

What is there becomes the first partition. That all of it is early enough is checked beforehand, while others work; the
exclusive lock is only for renaming and takes milliseconds.
"""

import re
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import OperationalError, connection, transaction
from psycopg.sql import Literal

from retention import ddl, partitions
from retention.core.months import KeyKind, Month, ahead, lower_bound

MONTHS_AHEAD = 3
_MARGIN = timedelta(days=3)
_INDEX = re.compile(r"^CREATE (?P<unique>UNIQUE )?INDEX \S+ ON (?:ONLY )?\S+ (?P<rest>USING .*)$", re.DOTALL)
_LOCK_TIMEOUT = "3s"
_TRIES = 40


def divide(table: str, *, key: str, kind: KeyKind, primary_key: Sequence[str], now: datetime) -> None:
    """This will divide a table by its key; nothing where it is divided already, so that it may be repeated.

    `primary_key` of the whole, which must hold `key`; empty: each partition keeps its own. Must be called with no
    transaction open.
    """
    if partitions.is_divided(table):
        return
    first = Month.of(now + _MARGIN).plus(1)
    bound = lower_bound(first.begins_at, kind=kind)
    _promise_range(table, key=key, bound=bound)
    for left in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                _swap(table, key=key, primary_key=primary_key, bound=bound)
                for month in ahead(start=first, count=MONTHS_AHEAD):
                    partitions.add_month(table, kind=kind, month=month)
            return
        except OperationalError:  # somebody uses the table for longer than others should wait behind us
            if not left:
                raise
            time.sleep(0.5)


def _promise_range(table: str, *, key: str, bound: str) -> None:
    """With a checked constraint the table becomes a partition without being read again under a lock."""
    name = f"{table}_is_earlier"
    ddl.execute("alter table {} drop constraint if exists {}", table, name)
    ddl.execute("alter table {} add constraint {} check ({} < {}) not valid", table, name, key, Literal(bound))
    ddl.execute("alter table {} validate constraint {}", table, name)


def _swap(table: str, *, key: str, primary_key: Sequence[str], bound: str) -> None:
    earlier, promise = f"{table}_earlier", f"{table}_is_earlier"
    ddl.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
    ddl.execute("lock table {} in access exclusive mode", table)
    indexes, constraints = _indexes(table), _constraints(table)
    ddl.execute("alter table {} rename to {}", table, earlier)
    for name, _definition, _is_constraint in indexes:
        ddl.execute("alter index {} rename to {}", name, f"{name}_earlier")
    copied = "including defaults including constraints including generated including storage including comments"
    ddl.execute(f"create table {{}} (like {{}} {copied}) partition by range ({{}})", table, earlier, key)
    ddl.execute("alter table {} drop constraint {}", table, promise)
    _move_identity(table, earlier=earlier)
    if primary_key:
        columns = ", ".join(primary_key)
        ddl.execute(f"alter table {{}} add constraint {{}} primary key ({columns})", table, f"{table}_pkey")
    for name, definition in constraints:
        ddl.execute(f"alter table {{}} add constraint {{}} {definition}", table, name)
    for name, definition, is_constraint in indexes:
        if not is_constraint:
            ddl.execute(f"create index {{}} on {{}} {_rest_of(definition)}", name, table)
    for definition in partitions.statement_triggers(earlier):
        ddl.execute(definition.replace(f".{earlier} ", f".{table} "))
    template = "alter table {} attach partition {} for values from (minvalue) to ({})"
    ddl.execute(template, table, earlier, Literal(bound))
    ddl.execute("alter table {} drop constraint {}", earlier, promise)
    partitions.make_like(f"{table}_default", pattern=earlier)
    ddl.execute("alter table {} attach partition {} default", table, f"{table}_default")


def _indexes(table: str) -> Sequence[tuple[str, str, bool]]:
    """Name, definition, and whether it belongs to the primary key or to a unique constraint."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname, pg_get_indexdef(indexrelid),"
            " exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u'))"
            " from pg_index join pg_class on pg_class.oid = indexrelid where indrelid = to_regclass(%s)",
            [table],
        )
        return [(name, definition, is_constraint) for name, definition, is_constraint in cursor.fetchall()]


def _constraints(table: str) -> Sequence[tuple[str, str]]:
    """What is unique, which must hold the key of the division, and what refers to other tables: name and definition."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select conname, pg_get_constraintdef(oid) from pg_constraint"
            " where conrelid = to_regclass(%s) and contype in ('u', 'f') order by conname",
            [table],
        )
        return [(name, definition) for name, definition in cursor.fetchall()]


def _rest_of(definition: str) -> str:
    match = _INDEX.match(definition)
    if match is None or match["unique"]:
        raise ValueError(f"a divided table cannot have this index, unless its key is part of it: {definition}")
    return match["rest"].replace("{", "{{").replace("}", "}}")


def _move_identity(table: str, *, earlier: str) -> None:
    """Numbers go on where they were: before version 17 PostgreSQL knows no identity column in a divided table."""
    with connection.cursor() as cursor:
        query = "select attname from pg_attribute where attrelid = to_regclass(%s) and attidentity <> ''"
        cursor.execute(query, [earlier])
        columns = [name for (name,) in cursor.fetchall()]
    for column in columns:
        with connection.cursor() as cursor:
            cursor.execute("select nextval(pg_get_serial_sequence(%s, %s))", [earlier, column])
            (number,) = cursor.fetchone()
        sequence = f"{table}_{column}_seq"
        ddl.execute("alter table {} alter column {} drop identity", earlier, column)
        ddl.execute(f"create sequence {{}} start {int(number)} owned by {{}}.{{}}", sequence, table, column)
        ddl.execute("alter table {} alter column {} set default nextval({})", table, column, Literal(sequence))
