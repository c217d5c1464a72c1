"""The partitions of a table as PostgreSQL has them, and the statements that add one; it decides nothing.

A divided table has a partition for each month, `<table>_earlier` for what was there before it was divided, and
`<table>_default`, which catches rows that no month was made for. The default one is also the pattern for new months:
indexes, storage and triggers are copied from it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from psycopg.sql import SQL, Composed, Identifier, Literal

from retention import ddl
from retention.core.months import KeyKind, Month, instant_of, lower_bound

_BOUNDS = re.compile(r"^FOR VALUES FROM \((?:MINVALUE|'(?P<begin>[^']+)')\) TO \('(?P<end>[^']+)'\)$")
_DEFAULT = "DEFAULT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A part of a divided table. Without `begins_at` it holds everything earlier; without both it is the default."""

    table: str
    name: str
    begins_at: datetime | None
    ends_at: datetime | None
    size_bytes: int = 0

    @property
    def is_default(self) -> bool:
        """This will tell whether it catches what no month was made for."""
        return self.ends_at is None


def is_divided(table: str) -> bool:
    """This will tell whether a table is divided."""
    with connection.cursor() as cursor:
        cursor.execute("select relkind = 'p' from pg_class where oid = to_regclass(%s)", [table])
        row = cursor.fetchone()
    return bool(row and row[0])


def partitions_of(table: str, *, kind: KeyKind) -> Sequence[Partition]:
    """This will give the partitions of a table, the earliest first, the default one last."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select child.relname, pg_get_expr(child.relpartbound, child.oid), pg_total_relation_size(child.oid)"
            " from pg_inherits join pg_class as child on child.oid = inhrelid"
            " where inhparent = to_regclass(%s) and not inhdetachpending",
            [table],
        )
        found = [_partition(table, name, bound, size, kind=kind) for name, bound, size in cursor.fetchall()]
    return sorted(found, key=lambda one: (one.is_default, one.ends_at.timestamp() if one.ends_at else 0.0))


def add_month(table: str, *, kind: KeyKind, month: Month) -> str:
    """This will add the partition of a month, like the default one, and give its name.

    The table stays usable meanwhile: attaching takes no lock that reading or writing waits for, unless the default
    partition has rows, which are then searched for such as belong to the month. Needs a transaction.
    """
    name = f"{table}_{month}"
    ends_at = month.plus(1).begins_at
    make_like(name, pattern=f"{table}_default")
    attach(name, table=table, kind=kind, begins_at=month.begins_at, ends_at=ends_at)
    return name


def make_like(name: str, *, pattern: str) -> None:
    """This will make an empty table with the columns, indexes, storage and triggers of a partition."""
    ddl.execute("create table {} (like {} including all)", name, pattern)
    with connection.cursor() as cursor:
        cursor.execute("select array_to_string(reloptions, ', ') from pg_class where oid = to_regclass(%s)", [pattern])
        (options,) = cursor.fetchone()
    if options:
        ddl.execute(f"alter table {{}} set ({options})", name)
    for definition in statement_triggers(pattern):
        ddl.execute(definition.replace(f".{pattern} ", f".{name} "))


def attach(name: str, *, table: str, kind: KeyKind, begins_at: datetime | None, ends_at: datetime) -> None:
    """This will make a table the partition from one instant to another; without the first, of everything earlier."""
    end = Literal(lower_bound(ends_at, kind=kind))
    if begins_at is None:
        ddl.execute("alter table {} attach partition {} for values from (minvalue) to ({})", table, name, end)
        return
    begin = Literal(lower_bound(begins_at, kind=kind))
    ddl.execute("alter table {} attach partition {} for values from ({}) to ({})", table, name, begin, end)


def detach(name: str, *, table: str) -> None:
    """This will make a partition a table of its own again; what is in it is no part of the divided table any more."""
    ddl.execute("alter table {} detach partition {}", table, name)


def copy_rows(source: str, *, target: str, where: str, parameters: Sequence[str] = ()) -> int:
    """This will copy the rows of a table for which `where` holds, by the names of its columns; gives how many."""
    template = SQL("insert into {target} ({columns}) select {columns} from {source} where {where}")
    with connection.cursor() as cursor:
        cursor.execute(
            template.format(
                target=Identifier(target), columns=_columns(target), source=Identifier(source), where=SQL(where)
            ),
            parameters,
        )
        return int(cursor.rowcount)


def fingerprint(table: str, *, like: str, where: str) -> tuple[int, str]:
    """This will give how many rows there are, and a sum over their contents that their order does not change.

    `like` is the table whose columns count, in its order: so two tables can be compared.
    """
    template = SQL(
        "select count(*), coalesce(sum(hashtextextended(row({columns})::text, 0)::numeric), 0)::text"
        " from {table} where {where}"
    )
    with connection.cursor() as cursor:
        cursor.execute(template.format(columns=_columns(like), table=Identifier(table), where=SQL(where)))
        number, total = cursor.fetchone()
    return int(number), str(total)


def _columns(table: str) -> Composed:
    with connection.cursor() as cursor:
        cursor.execute(
            "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"
            " and attgenerated = '' order by attnum",
            [table],
        )
        return SQL(", ").join(Identifier(name) for (name,) in cursor.fetchall())


def statement_triggers(table: str) -> Sequence[str]:
    """This will give the definitions of triggers for each statement: those for each row are inherited."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_get_triggerdef(oid) from pg_trigger"
            " where tgrelid = to_regclass(%s) and not tgisinternal and tgtype & 1 = 0",
            [table],
        )
        return [definition for (definition,) in cursor.fetchall()]


def _partition(table: str, name: str, bound: str, size_bytes: int, *, kind: KeyKind) -> Partition:
    if bound == _DEFAULT:
        return Partition(table=table, name=name, begins_at=None, ends_at=None, size_bytes=size_bytes)
    match = _BOUNDS.match(bound)
    if match is None:
        raise ValueError(f"partition {name} has bounds that nobody here makes: {bound}")
    begins_at = None if match["begin"] is None else instant_of(match["begin"], kind=kind)
    ends_at = instant_of(match["end"], kind=kind)
    return Partition(table=table, name=name, begins_at=begins_at, ends_at=ends_at, size_bytes=size_bytes)
