"""Lets old rows of small tables go, a batch and its audit event in one transaction; months are no matter of it.

May be killed and repeated at any moment: a batch has gone as a whole or not at all.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import OperationalError, connection, transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from retention import queries
from retention.classes import Swept, swept
from retention.operations import locks

log = structlog.get_logger(__name__)
BATCH = 5_000
_TRIES = 30
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptied:
    """How many rows of a table have gone. `trouble` says why others did not."""

    table: str
    rows: int
    trouble: str = ""


def sweep(*, now: datetime, actor: Actor, tables: Sequence[Swept] | None = None) -> Sequence[Emptied] | None:
    """This will let the rows go whose time has come, and say of which tables; None: another process cleans."""
    with locks.alone() as is_mine:
        if not is_mine:
            return None
        done = [_empty(one, now=now, actor=actor) for one in (swept() if tables is None else tables)]
    return [one for one in done if one.rows or one.trouble]


def _empty(one: Swept, *, now: datetime, actor: Actor) -> Emptied:
    rows, tries = 0, _TRIES
    while True:
        try:
            gone = _batch(one, now=now, actor=actor)
        except OperationalError as error:  # somebody uses the table for longer than others should wait behind us
            tries -= 1
            if not tries:
                trouble = str(error).split("\n")[0]
                log.warning("rows_stay", table=one.table, trouble=trouble)
                return Emptied(table=one.table, rows=rows, trouble=trouble)
            time.sleep(_PAUSE_S)
            continue
        if not gone:
            return Emptied(table=one.table, rows=rows)
        rows += gone


def _batch(one: Swept, *, now: datetime, actor: Actor) -> int:
    with transaction.atomic():
        locks.while_a_month_goes()
        parameters = queries.parameters_of_rows(one, now=now)
        if parameters is None:
            return 0
        with connection.cursor() as cursor:
            if one.is_alone:
                cursor.execute(f"lock table {one.table} in share row exclusive mode")
            cursor.execute(_statement(one), parameters)
            number, *others = cursor.fetchone()
        if number:
            counts = {one.table: number, **dict(zip((table for table, _column in one.also), others, strict=True))}
            audit.record(_event(one, rows=counts, before=parameters["limit"], actor=actor, now=now))
    return int(number)


def _statement(one: Swept) -> str:
    """Of our own names and conditions. Rows that somebody changes at this moment are left for another time."""
    chosen = f"select it.ctid from {one.table} as it where {one.over} limit {BATCH} for update of it skip locked"  # noqa: S608
    parts = [f"gone as (delete from {one.table} where ctid = any(array({chosen})) returning {one.key} as key)"]  # noqa: S608
    parts += [
        f"also_{number} as (delete from {table} where {column} in (select key from gone) returning 1)"  # noqa: S608
        for number, (table, column) in enumerate(one.also)
    ]
    names = ["gone", *(f"also_{number}" for number in range(len(one.also)))]
    counts = ", ".join(f"(select count(*) from {name})" for name in names)  # noqa: S608  our own names
    return f"with {', '.join(parts)} select {counts}"


def _event(one: Swept, *, rows: dict[str, int], before: datetime, actor: Actor, now: datetime) -> Event:
    return Event(
        kind=EventKind.HISTORY_DROPPED,
        actor=actor,
        subject_type="history",
        subject_id=one.table,
        correlation_id=one.table,
        at=now,
        payload={"data": one.table, "until": before.isoformat(), "rows": rows},
    )
